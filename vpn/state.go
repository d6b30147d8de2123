package vpn

import (
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// State is what the kernel says about the VPN interface and its host at one
// moment.
type State struct {
	Time time.Time // when it was read; handshake ages count from here

	Exists     bool // the interface is there and speaks WireGuard
	Up         bool
	PublicKey  wgtypes.Key
	ListenPort int
	Addresses  []netip.Prefix // of the interface
	Peers      []Peer
	Routes     []Route // through the interface, main table

	Networks   []netip.Prefix // of the host's other interfaces, loopback left out
	Host       []netip.Addr   // the host's own addresses, on all interfaces
	HostRoutes []netip.Prefix // single addresses that the main table sends through another interface
}

// Peer is a peer of the interface.
type Peer struct {
	Key            wgtypes.Key
	Endpoint       netip.AddrPort // where its last packet came from, or what was set; the zero value: none
	AllowedIPs     []netip.Prefix // sorted
	Keepalive      time.Duration  // 0: off
	LastHandshake  time.Time      // zero: never
	Received, Sent int64          // bytes
}

// Route is a route through the interface.
type Route struct {
	Dst      netip.Prefix
	Protocol int   // who made it, as in /etc/iproute2/rt_protos
	Scope    uint8 // rtnetlink's scope; 253 is link
	Metric   int
}

// Numbers of rtnetlink(7) that tell one route's maker from another's.
const (
	// RouteProtocol marks the routes made by this package. The number is its
	// own: rt_protos of iproute2 and the routing daemons (186 to 199 for FRR, 42
	// for babel, 99 for openr) leave it free. A file in
	// /etc/iproute2/rt_protos.d may give it a name.
	RouteProtocol = 155
	// ProtocolBoot is what ip-route(8), and so wg-quick, gives to a route.
	ProtocolBoot = 3
	// ScopeLink is the scope of a route without a gateway.
	ScopeLink = 253
)

// Keepalive is the interval of persistent keepalives on every link of the
// star, short enough for the NAT boxes in between.
const Keepalive = 25 * time.Second

// HandshakeFresh is the age up to which a handshake proves a link alive.
// WireGuard renews it after 120 seconds of traffic, and keepalives are traffic;
// what is older by a retry or two is dead.
const HandshakeFresh = 135 * time.Second

// Peer returns the peer with the given key. Who looks for many uses [State.ByKey].
func (s State) Peer(key wgtypes.Key) (Peer, bool) {
	for _, p := range s.Peers {
		if p.Key == key {
			return p, true
		}
	}
	return Peer{}, false
}

// PeerIndex finds the peers of a state.
type PeerIndex map[wgtypes.Key]*Peer

// Get returns the peer with a key; the zero Peer and false if there is none.
func (x PeerIndex) Get(key wgtypes.Key) (Peer, bool) {
	if p := x[key]; p != nil {
		return *p, true
	}
	return Peer{}, false
}

// ByKey returns all peers.
func (s State) ByKey() PeerIndex {
	peers := make(PeerIndex, len(s.Peers))
	for i := range s.Peers {
		peers[s.Peers[i].Key] = &s.Peers[i]
	}
	return peers
}

// HasNetwork says whether the host has an address besides those of loopback
// and of the VPN. Link-local addresses do not count: they are there as soon as
// a cable is, before any address has been given.
func (s State) HasNetwork() bool {
	return s.reaches(netip.Addr.IsValid)
}

// reaches says whether the host has a network of a family.
func (s State) reaches(family func(netip.Addr) bool) bool {
	for _, network := range s.Networks {
		if addr := network.Addr(); family(addr) && !addr.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}

// Fresh says whether the peer's last handshake proves the link alive.
func (s State) Fresh(p Peer) bool {
	return !p.LastHandshake.IsZero() && s.Time.Sub(p.LastHandshake) < HandshakeFresh
}

// Keys is a set of public keys.
type Keys map[wgtypes.Key]struct{}

// NewKeys returns the set of the given keys.
func NewKeys(keys ...wgtypes.Key) Keys {
	set := make(Keys, len(keys))
	set.Add(keys...)
	return set
}

// Add puts keys into the set; zero keys are left out.
func (k Keys) Add(keys ...wgtypes.Key) {
	for _, key := range keys {
		if key != (wgtypes.Key{}) {
			k[key] = struct{}{}
		}
	}
}

// Has says whether the set holds key.
func (k Keys) Has(key wgtypes.Key) bool {
	_, ok := k[key]
	return ok
}

// Memory is what a node knows from earlier runs.
type Memory struct {
	// Keys are, or have been, keys of cluster nodes. Peers with another key
	// are somebody else's and are never touched.
	Keys Keys
	// Endpoints are those that were last set from a configured record, by key.
	// They tell a new setting from a peer that has roamed.
	Endpoints map[wgtypes.Key]netip.AddrPort
	// Seen is where peers were heard of last, by key.
	Seen map[wgtypes.Key]netip.AddrPort
}
