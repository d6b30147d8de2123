package vpntest

import (
	"net/netip"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// Way says how a packet for addr leaves the host: through the tunnel to the
// returned peer, or beside it (direct), as what is for the host itself does.
// Neither is said of a packet that goes into the tunnel and finds no peer.
func Way(s vpn.State, addr netip.Addr) (peer wgtypes.Key, direct bool) {
	if slices.Contains(s.Host, addr) || !InTunnel(s, addr) {
		return wgtypes.Key{}, true
	}
	bits := -1
	for _, p := range s.Peers {
		for _, ip := range p.AllowedIPs {
			if ip.Contains(addr) && ip.Bits() > bits {
				peer, bits = p.Key, ip.Bits()
			}
		}
	}
	return peer, false
}

// InTunnel says whether the most special route for addr is one through the
// interface. If another interface has one as special, metrics would decide that a
// State does not tell of; the interface is taken for the one that has it.
func InTunnel(s vpn.State, addr netip.Addr) bool {
	inside := -1
	for _, r := range s.Routes {
		if r.Dst.Contains(addr) {
			inside = max(inside, r.Dst.Bits())
		}
	}
	beside := -1
	for _, p := range slices.Concat(s.Networks, s.HostRoutes) {
		if p.Contains(addr) {
			beside = max(beside, p.Bits())
		}
	}
	return inside >= 0 && inside >= beside
}
