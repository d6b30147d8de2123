package vpn

import (
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Desired is what the VPN interface has to look like. It speaks only of what
// is the cluster's: other peers, routes and addresses do not occur in it, so
// Diff cannot touch them.
type Desired struct {
	// Keep means that the records give this node no place in a cluster: it
	// leaves everything as it is. Why is in Want's warnings.
	Keep bool

	Address netip.Prefix   // of the interface; the zero value: leave addresses as they are
	Peers   []DesiredPeer  // sorted by node id
	Routes  []netip.Prefix // to go through the interface, sorted
	Stale   []Route        // routes there now that are the cluster's and no longer wanted
	Ours    Keys           // keys of peers that may be removed
	// Waits means that more is wanted as soon as this is applied: an address goes
	// into the tunnel only when the peer that is there now has moved or gone, and
	// not in the same plan, of which that change may fail.
	Waits bool
	Notes []Warning // addresses that are on purpose not in the tunnel, and why
}

// DesiredPeer is a peer as it has to be.
type DesiredPeer struct {
	Node       int
	Key        wgtypes.Key
	AllowedIPs []netip.Prefix // sorted; none for a peer that is only to be ready
	Keepalive  time.Duration

	// Endpoint is to be set now; the zero value: the one it has stays.
	Endpoint netip.AddrPort
	// Configured is the address last found for the record's endpoint: what
	// wg0.conf holds. It outlives roaming and name servers that are down.
	Configured netip.AddrPort
	// Renew asks to remove the peer and add it again, the only way to make the
	// kernel forget an endpoint.
	Renew bool
}
