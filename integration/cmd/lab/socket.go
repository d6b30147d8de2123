package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// socketName is where a lab that was kept listens: an abstract Unix socket (unix(7)) of the
// machine's network namespace. It is no file, so nothing is left of it, and only one
// program can have it.
const socketName = "@cluster-agent-lab"

// noLabError says that no lab is kept on this machine.
type noLabError struct{}

func (noLabError) Error() string { return "no lab is running: start one with demo --keep" }

// connect reaches the kept lab and returns its process id.
func connect(ctx context.Context) (net.Conn, int, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socketName)
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil, 0, noLabError{}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reach the lab: %w", err)
	}
	pid, err := trusted(conn)
	if err != nil {
		return nil, 0, errors.Join(err, conn.Close())
	}
	return conn, pid, nil
}

// trusted returns the process at the other end if it belongs to the user of this one.
// Abstract sockets have no permissions: anybody can connect, and anybody can listen.
func trusted(conn net.Conn) (int, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a Unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("look at the peer: %w", err)
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, fmt.Errorf("look at the peer: %w", err)
	}
	if failed != nil {
		return 0, fmt.Errorf("look at the peer: %w", failed)
	}
	if int(peer.Uid) != os.Getuid() {
		return 0, fmt.Errorf("the program at %s belongs to user %d", socketName, peer.Uid)
	}
	return int(peer.Pid), nil
}

// trustingListener drops connections of other users.
type trustingListener struct{ net.Listener }

func (l trustingListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if _, err := trusted(conn); err == nil {
			return conn, nil
		}
		if err := conn.Close(); err != nil {
			return nil, err
		}
	}
}
