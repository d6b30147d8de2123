// Package protocol tests the agent from outside: the built binary, started as a
// service manager would start it, on a real redis-server, with what it sends
// read through MONITOR.
package protocol
