package vpn_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// modelHost is a host of the model, simulated or real, and what others do on it.
// What cannot be done, because the interface is not there or is down, is not done.
type modelHost interface {
	vpn.Device

	quickUp(ctx context.Context) error
	quickDown()
	quickSave()
	linkDown()

	setPeer(p vpn.Peer) // makes a peer, or changes all that it has
	removePeer(key wgtypes.Key)
	heard(key wgtypes.Key, from netip.AddrPort) // a packet of the peer comes
	setRoute(r vpn.Route)                       // through the interface, in the place of one for the same destination
	removeRoute(r vpn.Route)
	setAddress(a netip.Prefix, there bool) // of the interface

	pass(d time.Duration)
	setNetwork(there bool)                // the host has addresses
	setLAN(a netip.Prefix, there bool)    // an address of another interface
	setBeside(dst netip.Addr, there bool) // a route for one address through another interface
}

// simHost is a simulated host with a file of wg-quick.
type simHost struct {
	*vpntest.Sim
	conf string
}

// lanOfHost is what a host of the model has besides loopback.
var lanOfHost = []netip.Prefix{netip.MustParsePrefix("203.0.113.2/24"), netip.MustParsePrefix("2001:db8:1::2/64")}

func newSimHost(conf string) *simHost {
	h := &simHost{Sim: vpntest.NewSim(vpn.State{Time: now, Host: []netip.Addr{addr("127.0.0.1")}}), conf: conf}
	h.setNetwork(true)
	return h
}

func (h *simHost) quickUp(context.Context) error {
	data, err := os.ReadFile(h.conf)
	if err != nil {
		return err
	}
	return h.QuickUp(data)
}

func (h *simHost) quickDown() { h.QuickDown() }

func (h *simHost) quickSave() {
	data, err := os.ReadFile(h.conf)
	if err != nil {
		return
	}
	if data, err = h.QuickSave(data); err == nil {
		mustWrite(h.conf, data)
	}
}

// mustWrite panics because a test that cannot write its files tests nothing.
func mustWrite(path string, data []byte) {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		panic(err)
	}
}

func (h *simHost) linkDown() {
	h.Change(func(s *vpn.State) { s.Up, s.Routes = false, nil })
}

func (h *simHost) setPeer(p vpn.Peer) {
	h.Change(func(s *vpn.State) {
		if !s.Exists || p.Key == s.PublicKey {
			return
		}
		for i := range s.Peers {
			s.Peers[i].AllowedIPs = slices.DeleteFunc(s.Peers[i].AllowedIPs, func(ip netip.Prefix) bool {
				return slices.Contains(p.AllowedIPs, ip)
			})
		}
		i := slices.IndexFunc(s.Peers, func(have vpn.Peer) bool { return have.Key == p.Key })
		if i < 0 {
			s.Peers, i = append(s.Peers, p), len(s.Peers)
		}
		if p.Endpoint.IsValid() {
			s.Peers[i].Endpoint = p.Endpoint
		}
		s.Peers[i].AllowedIPs, s.Peers[i].Keepalive = slices.Clone(p.AllowedIPs), p.Keepalive
		slices.SortFunc(s.Peers[i].AllowedIPs, netip.Prefix.Compare)
	})
}

func (h *simHost) removePeer(key wgtypes.Key) {
	h.Change(func(s *vpn.State) {
		s.Peers = slices.DeleteFunc(s.Peers, func(p vpn.Peer) bool { return p.Key == key })
	})
}

func (h *simHost) heard(key wgtypes.Key, from netip.AddrPort) {
	h.Change(func(s *vpn.State) {
		for i := range s.Peers {
			if s.Peers[i].Key == key {
				s.Peers[i].Endpoint, s.Peers[i].LastHandshake = from, s.Time
			}
		}
	})
}

func (h *simHost) pass(d time.Duration) {
	h.Change(func(s *vpn.State) { s.Time = s.Time.Add(d) })
}

func sameRoute(a, b vpn.Route) bool { return a.Dst == b.Dst && a.Metric == b.Metric }

// asShown is a route as the kernel shows it.
func asShown(r vpn.Route) vpn.Route {
	if r.Dst.Addr().Is6() {
		r.Scope = 0
		if r.Metric == 0 {
			r.Metric = 1024
		}
	}
	return r
}

func (h *simHost) setRoute(r vpn.Route) {
	r = asShown(r)
	h.Change(func(s *vpn.State) {
		if s.Up {
			if r.Metric == asShown(vpn.Route{Dst: r.Dst}).Metric { // it takes the place of one through another interface, too
				s.HostRoutes = toggled(s.HostRoutes, r.Dst, false)
			}
			s.Routes = append(slices.DeleteFunc(s.Routes, func(have vpn.Route) bool { return sameRoute(have, r) }), r)
		}
	})
}

func (h *simHost) removeRoute(r vpn.Route) {
	r = asShown(r)
	h.Change(func(s *vpn.State) {
		s.Routes = slices.DeleteFunc(s.Routes, func(have vpn.Route) bool { return sameRoute(have, r) })
	})
}

func (h *simHost) setAddress(a netip.Prefix, there bool) {
	h.Change(func(s *vpn.State) {
		if s.Exists {
			s.Addresses = toggled(s.Addresses, a, there)
			s.Host = toggled(s.Host, a.Addr(), there)
		}
	})
}

func toggled[T comparable](list []T, item T, there bool) []T {
	list = slices.DeleteFunc(list, func(have T) bool { return have == item })
	if there {
		list = append(list, item)
	}
	return list
}

func (h *simHost) setNetwork(there bool) {
	h.Change(func(s *vpn.State) {
		if !there {
			s.Networks, s.HostRoutes = nil, nil
			s.Host = slices.DeleteFunc(s.Host, func(a netip.Addr) bool {
				return !a.IsLoopback() && !slices.ContainsFunc(s.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
			})
		}
	})
	if there {
		for _, a := range lanOfHost {
			h.setLAN(a, true)
		}
	}
}

func (h *simHost) setLAN(a netip.Prefix, there bool) {
	h.Change(func(s *vpn.State) {
		s.Networks, s.Host = toggled(s.Networks, a.Masked(), there), toggled(s.Host, a.Addr(), there)
	})
}

func (h *simHost) setBeside(dst netip.Addr, there bool) {
	single := netip.PrefixFrom(dst, dst.BitLen())
	if there {
		h.removeRoute(vpn.Route{Dst: single})
	}
	h.Change(func(s *vpn.State) { s.HostRoutes = toggled(s.HostRoutes, single, there) })
}

// breaker is the device of a host as the Reconciler of a trial sees it. It makes
// the changes of a plan one by one, as a device does, and shows every state in
// between; it leaves some of them out, as a kernel that refuses them or a machine
// that is switched off does. And it knows what time it is.
type breaker struct {
	vpn.Device
	lost   func(change int) bool // nil: all changes are made
	change int                   // how many changes the present plan has had
	failed bool                  // a change was left out
	steps  []moment              // the state before all, and after each change
}

// moment is a state that a packet could meet.
type moment struct {
	vpn.State
	inside bool // one request, of several changes, is under way
}

var errRefused = errors.New("refused by the model")

// refuses counts a change, and says whether it is left out.
func (b *breaker) refuses() bool {
	b.change++
	refused := b.lost != nil && b.lost(b.change-1)
	b.failed = b.failed || refused
	return refused
}

func (b *breaker) Apply(ctx context.Context, plan vpn.Plan) error {
	b.change = 0
	err := b.note(ctx)
	for _, part := range b.parts(plan) {
		err = errors.Join(err, b.Device.Apply(ctx, part), b.note(ctx))
	}
	if b.failed {
		err = errors.Join(err, errRefused)
	}
	return err
}

func (b *breaker) note(ctx context.Context) error {
	s, err := b.State(ctx)
	b.steps = append(b.steps, moment{State: s})
	return err
}

// parts cuts a plan into single changes. Those of peers are one request.
func (b *breaker) parts(plan vpn.Plan) []vpn.Plan {
	var parts []vpn.Plan
	add := func(part vpn.Plan) {
		if !b.refuses() {
			parts = append(parts, part)
		}
	}
	if plan.LinkUp {
		add(vpn.Plan{LinkUp: true})
	}
	if plan.Address.IsValid() {
		add(vpn.Plan{Address: plan.Address})
	}
	for _, r := range plan.Freed {
		add(vpn.Plan{Freed: []vpn.Route{r}})
	}
	peers := slices.DeleteFunc(slices.Clone(plan.Peers), func(vpn.PeerChange) bool { return b.refuses() })
	if len(peers) > 0 {
		parts = append(parts, vpn.Plan{Peers: peers})
	}
	for _, c := range plan.Routes {
		add(vpn.Plan{Routes: []vpn.RouteChange{c}})
	}
	for _, r := range plan.Stale {
		add(vpn.Plan{Stale: []vpn.Route{r}})
	}
	return parts
}
