package host

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// Connects says why no connection to an address comes about before ctx ends; nil if one
// does. A kernel accepts it at once, however busy the program is that listens.
func Connects(ctx context.Context, address netip.AddrPort) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address.String())
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	return connection.Close()
}

// RoundTrip is how long a packet takes to an address and back, by what the kernel has
// measured for the connections that this machine has there (TCP_INFO), at best: what was sent
// while there was no way took longer. 0: there are none.
func RoundTrip(address netip.AddrPort) (time.Duration, error) {
	family := uint8(syscall.AF_INET)
	if address.Addr().Is6() {
		family = syscall.AF_INET6
	}
	connections, err := netlink.SocketDiagTCPInfo(family)
	if err != nil {
		return 0, fmt.Errorf("ask for the connections to %s: %w", address, err)
	}
	var shortest time.Duration
	for _, c := range connections {
		if c.InetDiagMsg == nil || c.TCPInfo == nil {
			continue
		}
		to := c.InetDiagMsg.ID
		if ip, ok := netip.AddrFromSlice(to.Destination); ok && netip.AddrPortFrom(ip.Unmap(), to.DestinationPort) == address {
			shortest = shorter(shortest, leastRTT(c.TCPInfo))
		}
	}
	return shortest, nil
}

// leastRTT is the shortest round trip of the last minutes; 0: none was measured.
func leastRTT(info *netlink.TCPInfo) time.Duration {
	if info.Min_rtt == math.MaxUint32 {
		return 0
	}
	return time.Duration(info.Min_rtt) * time.Microsecond
}

// shorter is the shorter of two times; 0 is not known.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
