package vpntest

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// Host is a device and what a test does to its host beside it.
type Host interface {
	vpn.Device
	// QuickRoute makes a route through the interface as wg-quick does.
	QuickRoute(t *testing.T, dst netip.Prefix)
}

// Conformance checks that a device does what the rest of the package relies on.
// newHost returns a host with one network besides loopback, on which the
// interface exists, is up, has a key and no peers.
func Conformance(t *testing.T, newHost func(t *testing.T) Host) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, Host)
	}{
		{"fresh", conformFresh},
		{"peer with all it has", conformPeer},
		{"allowed IPs move", conformMove},
		{"one allowed IP goes", conformLose},
		{"remove", conformRemove},
		{"renew forgets the endpoint", conformRenew},
		{"no half peers", conformNoHalfPeers},
		{"routes", conformRoutes},
		{"adopted routes", conformAdopt},
		{"failures are named", conformFailure},
		{"address", conformAddress},
		{"many", conformMany},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newHost(t)) })
	}
}

// Key returns a public key that is the same in every run.
func Key(n int) wgtypes.Key { return PrivateKey(n).PublicKey() }

// PrivateKey returns the private key of Key(n).
func PrivateKey(n int) wgtypes.Key { return sha256.Sum256([]byte(strconv.Itoa(n))) }

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func apply(t *testing.T, h Host, plan vpn.Plan) vpn.State {
	t.Helper()
	if err := h.Apply(t.Context(), plan); err != nil {
		t.Fatalf("apply:\n%v\n%v", plan, err)
	}
	return state(t, h)
}

func state(t *testing.T, h Host) vpn.State {
	t.Helper()
	s, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func peers(changes ...vpn.PeerChange) vpn.Plan { return vpn.Plan{Peers: changes} }

func add(n int, ips ...string) vpn.PeerChange {
	return vpn.PeerChange{Key: Key(n), Do: vpn.AddPeer, Gain: prefixes(ips...)}
}

func wantIPs(t *testing.T, s vpn.State, n int, ips ...string) {
	t.Helper()
	p, ok := s.Peer(Key(n))
	if !ok {
		t.Fatalf("peer %d is not there", n)
	}
	if want := prefixes(ips...); !slices.Equal(p.AllowedIPs, want) {
		t.Errorf("allowed IPs of peer %d: %v, want %v", n, p.AllowedIPs, want)
	}
}

func conformFresh(t *testing.T, h Host) {
	t.Helper()
	s := state(t, h)
	if !s.Exists || !s.Up || s.PublicKey == (wgtypes.Key{}) || s.Time.IsZero() {
		t.Errorf("exists %v, up %v, key %v, time %v", s.Exists, s.Up, s.PublicKey, s.Time)
	}
	if len(s.Peers) > 0 || !s.HasNetwork() {
		t.Errorf("peers %v, networks %v", s.Peers, s.Networks)
	}
}

func conformPeer(t *testing.T, h Host) {
	t.Helper()
	c := add(1, "10.5.4.2/32", "192.0.2.0/24", "2001:db8::1/128")
	c.Endpoint = netip.MustParseAddrPort("203.0.113.9:55820")
	c.Keepalive, c.SetKeepalive = vpn.Keepalive, true
	s := apply(t, h, peers(c))
	wantIPs(t, s, 1, "10.5.4.2/32", "192.0.2.0/24", "2001:db8::1/128")
	p, _ := s.Peer(Key(1))
	if p.Endpoint != c.Endpoint || p.Keepalive != vpn.Keepalive || !p.LastHandshake.IsZero() {
		t.Errorf("peer %+v", p)
	}

	six := netip.MustParseAddrPort("[2001:db8:1::9]:55820")
	s = apply(t, h, peers(vpn.PeerChange{Key: Key(1), Endpoint: six}))
	if p, _ = s.Peer(Key(1)); p.Endpoint != six || p.Keepalive != vpn.Keepalive || len(p.AllowedIPs) != 3 {
		t.Errorf("after a change of the endpoint alone: %+v", p)
	}
}

func conformMove(t *testing.T, h Host) {
	t.Helper()
	apply(t, h, peers(add(1, "10.5.4.2/32", "10.5.4.3/32"), add(2, "10.5.4.4/32")))
	s := apply(t, h, peers(
		vpn.PeerChange{Key: Key(2), Gain: prefixes("10.5.4.2/32")},
		add(3, "10.5.4.4/32")))
	wantIPs(t, s, 1, "10.5.4.3/32")
	wantIPs(t, s, 2, "10.5.4.2/32")
	wantIPs(t, s, 3, "10.5.4.4/32")
}

func conformLose(t *testing.T, h Host) {
	t.Helper()
	apply(t, h, peers(add(1, "10.5.4.2/32", "10.5.4.3/32", "2001:db8::2/128")))
	s := apply(t, h, peers(vpn.PeerChange{Key: Key(1), Lose: prefixes("10.5.4.2/32", "2001:db8::2/128")}))
	wantIPs(t, s, 1, "10.5.4.3/32")
	if len(s.Peers) != 1 {
		t.Errorf("peers left over: %v", s.Peers)
	}
}

func conformRemove(t *testing.T, h Host) {
	t.Helper()
	apply(t, h, peers(add(1, "10.5.4.2/32"), add(2, "10.5.4.3/32")))
	s := apply(t, h, peers(
		vpn.PeerChange{Key: Key(1), Do: vpn.RemovePeer},
		vpn.PeerChange{Key: Key(9), Do: vpn.RemovePeer}))
	if _, ok := s.Peer(Key(1)); ok || len(s.Peers) != 1 {
		t.Errorf("peers %v", s.Peers)
	}
}

func conformRenew(t *testing.T, h Host) {
	t.Helper()
	c := add(1, "10.5.4.2/32")
	c.Endpoint = netip.MustParseAddrPort("203.0.113.9:55820")
	apply(t, h, peers(c))
	s := apply(t, h, peers(vpn.PeerChange{
		Key: Key(1), Do: vpn.RenewPeer, Gain: prefixes("10.5.4.2/32"), Keepalive: time.Second, SetKeepalive: true,
	}))
	wantIPs(t, s, 1, "10.5.4.2/32")
	if p, _ := s.Peer(Key(1)); p.Endpoint.IsValid() || p.Keepalive != time.Second {
		t.Errorf("peer %+v", p)
	}
}

func conformNoHalfPeers(t *testing.T, h Host) {
	t.Helper()
	own := state(t, h).PublicKey
	s := apply(t, h, peers(
		vpn.PeerChange{Key: Key(1), Gain: prefixes("10.5.4.2/32")},
		vpn.PeerChange{Key: own, Do: vpn.AddPeer, Gain: prefixes("10.5.4.3/32")}))
	if len(s.Peers) != 0 {
		t.Errorf("a change of a peer that is not there, or of the interface's own key, made one: %v", s.Peers)
	}
}

func ownRoute(dst string) vpn.Route {
	return vpn.Route{Dst: netip.MustParsePrefix(dst), Protocol: vpn.RouteProtocol, Scope: vpn.ScopeLink}
}

// routeTo returns the route for dst.
func routeTo(s vpn.State, dst string) (vpn.Route, bool) {
	i := slices.IndexFunc(s.Routes, func(r vpn.Route) bool { return r.Dst == netip.MustParsePrefix(dst) })
	if i < 0 {
		return vpn.Route{}, false
	}
	return s.Routes[i], true
}

func conformRoutes(t *testing.T, h Host) {
	t.Helper()
	s := apply(t, h, vpn.Plan{Routes: []vpn.RouteChange{{Route: ownRoute("10.5.4.2/32")}, {Route: ownRoute("2001:db8:9::2/128")}}})
	four, ok4 := routeTo(s, "10.5.4.2/32")
	six, ok6 := routeTo(s, "2001:db8:9::2/128")
	if !ok4 || !ok6 || four != ownRoute("10.5.4.2/32") || six.Protocol != vpn.RouteProtocol {
		t.Fatalf("routes %+v", s.Routes)
	}
	s = apply(t, h, vpn.Plan{Freed: []vpn.Route{four}, Stale: []vpn.Route{six, ownRoute("10.5.4.77/32")}})
	if len(s.Routes) != 0 && slices.ContainsFunc(s.Routes, func(r vpn.Route) bool { return r.Protocol == vpn.RouteProtocol }) {
		t.Errorf("routes left: %+v", s.Routes)
	}
}

func conformAdopt(t *testing.T, h Host) {
	t.Helper()
	for _, dst := range []string{"10.5.4.2/32", "2001:db8:9::2/128"} {
		h.QuickRoute(t, netip.MustParsePrefix(dst))
		before, ok := routeTo(state(t, h), dst)
		if !ok || before.Protocol != vpn.ProtocolBoot {
			t.Fatalf("route as wg-quick makes it: %+v", before)
		}
		route := before
		route.Protocol = vpn.RouteProtocol
		s := apply(t, h, vpn.Plan{Routes: []vpn.RouteChange{{Route: route, Adopt: true}}})
		after := slices.DeleteFunc(s.Routes, func(r vpn.Route) bool { return r.Dst != route.Dst })
		if len(after) != 1 || after[0].Protocol != vpn.RouteProtocol {
			t.Errorf("after adoption: %+v", after)
		}
	}
}

func conformFailure(t *testing.T, h Host) {
	t.Helper()
	h.QuickRoute(t, netip.MustParsePrefix("10.5.4.2/32"))
	err := h.Apply(t.Context(), vpn.Plan{
		Peers:  []vpn.PeerChange{add(1, "10.5.4.2/32")},
		Routes: []vpn.RouteChange{{Route: ownRoute("10.5.4.2/32")}, {Route: ownRoute("10.5.4.3/32")}},
	})
	const want = "route add 10.5.4.2/32: file exists"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	s := state(t, h)
	if _, ok := routeTo(s, "10.5.4.3/32"); !ok {
		t.Error("the change after the one that failed was not made")
	}
	if r, _ := routeTo(s, "10.5.4.2/32"); r.Protocol != vpn.ProtocolBoot {
		t.Errorf("the route of another was replaced: %+v", r)
	}
}

func conformAddress(t *testing.T, h Host) {
	t.Helper()
	address := netip.MustParsePrefix("10.5.4.9/32")
	s := apply(t, h, vpn.Plan{LinkUp: true, Address: address})
	if !s.Up || !slices.Contains(s.Addresses, address) || !slices.Contains(s.Host, address.Addr()) {
		t.Errorf("up %v, addresses %v, host %v", s.Up, s.Addresses, s.Host)
	}
}

// conformMany goes beyond what one message to the kernel holds, in peers and in
// allowed IPs of one peer.
func conformMany(t *testing.T, h Host) {
	t.Helper()
	const many = 300
	var plan vpn.Plan
	for n := range many {
		plan.Peers = append(plan.Peers, vpn.PeerChange{
			Key: Key(n), Do: vpn.AddPeer, Endpoint: netip.MustParseAddrPort("203.0.113.9:55820"),
			Gain: []netip.Prefix{single(n)}, Keepalive: vpn.Keepalive, SetKeepalive: true,
		})
	}
	s := apply(t, h, plan)
	if len(s.Peers) != many {
		t.Fatalf("%d peers", len(s.Peers))
	}
	one := vpn.PeerChange{Key: Key(many), Do: vpn.AddPeer, Endpoint: netip.MustParseAddrPort("203.0.113.9:55820")}
	rest := make([]vpn.PeerChange, 0, many)
	for n := range many {
		one.Gain = append(one.Gain, single(n))
		rest = append(rest, vpn.PeerChange{Key: Key(n), Do: vpn.RemovePeer})
	}
	s = apply(t, h, vpn.Plan{Peers: append([]vpn.PeerChange{one}, rest...)})
	if len(s.Peers) != 1 || len(s.Peers[0].AllowedIPs) != many || s.Peers[0].Endpoint != one.Endpoint {
		t.Errorf("%d peers, the first %+v", len(s.Peers), s.Peers[0])
	}
}

func single(n int) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("10.9.%d.%d/32", n/256, n%256))
}
