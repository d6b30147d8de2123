// Package userspace serves a WireGuard interface on kernels that have no
// WireGuard of their own (containers, minimal kernels). It does what the
// command `wireguard-go INTERFACE` does, so that wg-quick can start it: it
// makes a TUN interface and answers wg and wgctrl on the socket
// /var/run/wireguard/INTERFACE.sock.
//
// The command returns once the interface can be configured; the engine goes on
// in a process of its own until the interface is deleted or SIGTERM comes.
package userspace
