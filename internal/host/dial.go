package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Dialer opens connections to host:port, where host may be a name in the hosts
// file as it is now: package net remembers that file for up to five seconds,
// and right after a switch cluster-leader would be the old one.
func (f Files) Dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		name, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", address, err)
		}
		if ip, found, err := f.Host(name); err == nil && found {
			address = net.JoinHostPort(ip.String(), port)
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// Refuses tells whether nobody listens at one of this machine's own addresses. An
// address that the machine does not have is an error.
func Refuses(ctx context.Context, address netip.AddrPort) (bool, error) {
	// From that very address: a packet for one that is not here would leave the machine.
	own := &net.TCPAddr{IP: address.Addr().AsSlice()}
	connection, err := (&net.Dialer{LocalAddr: own}).DialContext(ctx, "tcp", address.String())
	if errors.Is(err, syscall.ECONNREFUSED) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether anybody listens on %s: %w", address, err)
	}
	return false, connection.Close()
}
