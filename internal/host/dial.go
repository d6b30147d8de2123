package host

import (
	"context"
	"fmt"
	"net"
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
