package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// inNetwork calls f on a thread that is in the network namespace of process pid.
// A socket belongs to the namespace of the thread that creates it and stays there,
// whoever uses it later; /proc/sys/net, too, is the thread's. So f must do its work
// without other goroutines: no name lookups, no parallel dialling.
func inNetwork[T any](pid int, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		// Never unlocked: a thread of another namespace must not serve other
		// goroutines, so it ends with this one.
		runtime.LockOSThread()
		var r result
		if r.err = enterNetwork(pid); r.err == nil {
			r.value, r.err = f()
		}
		results <- r
	}()
	r := <-results
	return r.value, r.err
}

func enterNetwork(pid int) (err error) {
	ns, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return nil
}

// Dial connects from within the node. The address must be a literal IP with a port.
func (n *Node) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return inNetwork(n.holder.pid, func() (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	})
}

// Listen listens within the node. The address must be a literal IP with a port.
func (n *Node) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return inNetwork(n.holder.pid, func() (net.Listener, error) {
		var l net.ListenConfig
		return l.Listen(ctx, network, address)
	})
}

// ListenPacket opens a packet socket within the node, for example "ip4:icmp".
func (n *Node) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	return inNetwork(n.holder.pid, func() (net.PacketConn, error) {
		var l net.ListenConfig
		return l.ListenPacket(ctx, network, address)
	})
}
