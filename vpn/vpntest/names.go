package vpntest

import (
	"context"
	"net"
	"net/netip"

	"cluster-agent/vpn"
)

// Names is a name service with fixed answers. A name with an empty answer never
// gets any, as from a name server that is down; other names do not exist.
type Names map[string][]netip.Addr

var _ vpn.Resolver = Names(nil)

// LookupNetIP returns the addresses of host.
func (n Names) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	addrs, ok := n[host]
	switch {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case len(addrs) == 0:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		return addrs, nil
	}
}
