// Package lab is a whole cluster on one machine.
//
// A lab has N nodes. Each is a set of namespaces (network, mounts, host name)
// with its own /etc, /run, /var/lib, /var/log and /usr/local, Debian's own
// redis-server, the agents, and one link to a switch that plays the internet.
// Everything runs in one outer set of namespaces (see Enter), so that the end of
// the program, whatever ends it, is the end of every process, interface and file.
//
//	machine ─ program ─ Enter ─┬─ pid 1: reaps, forwards signals      (roles.go, init.go)
//	                           └─ the program again, now inside
//	                                ├─ switch: bridge, 203.0.113.0/24 and 2001:db8:1::/64
//	                                ├─ node 1: holder ─ redis-server, agents, wireguard
//	                                └─ node 2: …
//
// What runs in the nodes is real. One thing is faked: the web server that answers
// as cluster-admin does (clusteradmin.go). The supervisor (supervisor.go) takes the
// place of systemd, which does not run in a namespace.
package lab
