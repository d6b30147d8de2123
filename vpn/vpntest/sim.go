package vpntest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// Errors with which the simulated kernel refuses a change.
var (
	ErrExists   = errors.New("file exists")
	ErrNoDevice = errors.New("no such device")
	ErrDown     = errors.New("network is down")
)

// Sim is a vpn.Device in memory that keeps the rules of the kernel: an allowed
// IP belongs to one peer and goes from one to another in one step; a peer with
// the interface's own key does not come into being; a peer that does not exist
// is not changed; a route is not added twice, and none to an interface that is
// down.
type Sim struct {
	mu    sync.Mutex
	state vpn.State

	// Refuse, if set, is asked before each change, given as the plan prints it,
	// and may refuse it with an error.
	Refuse func(change string) error
	// OnStep, if set, is called after each step that a packet could fall into.
	OnStep func(now vpn.State)
}

var _ vpn.Device = (*Sim)(nil)

// NewSim returns a device in the given state.
func NewSim(state vpn.State) *Sim { return &Sim{state: clone(state)} }

// State returns a copy of the state. Its time is the one that was set last.
func (s *Sim) State(ctx context.Context) (vpn.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return clone(s.state), ctx.Err()
}

// Change lets f change the state as somebody else on the host would.
func (s *Sim) Change(f func(state *vpn.State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

// Handshake lets the peer with the given key have a handshake from endpoint.
func (s *Sim) Handshake(key wgtypes.Key, endpoint netip.AddrPort, at time.Time) {
	s.Change(func(state *vpn.State) {
		if i := find(state, key); i >= 0 {
			state.Peers[i].LastHandshake, state.Peers[i].Endpoint = at, endpoint
		}
	})
}

// Apply makes the changes of the plan in its order.
func (s *Sim) Apply(ctx context.Context, plan vpn.Plan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if plan.Empty() {
		return ctx.Err()
	}
	if !s.state.Exists {
		return ErrNoDevice
	}
	errs := []error{ctx.Err()}
	try := func(change string, f func() error) {
		err := error(nil)
		if s.Refuse != nil {
			err = s.Refuse(change)
		}
		if err == nil {
			err = f()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", change, err))
		}
		s.step()
	}
	s.applyLink(plan, try)
	s.removeRoutes(plan.Freed, try)
	for _, c := range plan.Peers {
		try(c.String(), func() error { s.applyPeer(c); return nil })
	}
	for _, c := range plan.Peers {
		s.lose(c.Lose)
	}
	for _, c := range plan.Routes {
		try(c.String(), func() error { return s.setRoute(c) })
	}
	s.removeRoutes(plan.Stale, try)
	return errors.Join(errs...)
}

func (s *Sim) step() {
	if s.OnStep != nil {
		s.OnStep(clone(s.state))
	}
}

func (s *Sim) applyLink(plan vpn.Plan, try func(string, func() error)) {
	if plan.LinkUp {
		try("link up", func() error { s.state.Up = true; return nil })
	}
	if plan.Address.IsValid() {
		try("address add "+plan.Address.String(), func() error {
			s.state.Addresses = append(s.state.Addresses, plan.Address)
			s.state.Host = append(s.state.Host, plan.Address.Addr())
			return nil
		})
	}
}

func (s *Sim) removeRoutes(routes []vpn.Route, try func(string, func() error)) {
	for _, r := range routes {
		try("route remove "+r.String(), func() error {
			s.state.Routes = slices.DeleteFunc(s.state.Routes, func(have vpn.Route) bool { return have == r })
			return nil
		})
	}
}

func (s *Sim) setRoute(c vpn.RouteChange) error {
	if !s.state.Up {
		return ErrDown
	}
	c.Route = shownRoute(c.Route)
	for i, have := range s.state.Routes {
		if have.Dst != c.Dst || have.Metric != c.Metric {
			continue
		}
		if !c.Adopt {
			return ErrExists
		}
		s.state.Routes[i] = c.Route
		return nil
	}
	if slices.Contains(s.state.HostRoutes, c.Dst) {
		return ErrExists
	}
	s.state.Routes = append(s.state.Routes, c.Route)
	return nil
}

// shownRoute is how the kernel shows a route that was made: those of IPv6 have a
// metric in any case, and no scope.
func shownRoute(r vpn.Route) vpn.Route {
	if r.Dst.Addr().Is6() {
		r.Scope = 0
		if r.Metric == 0 {
			r.Metric = metric6
		}
	}
	return r
}

// metric6 is the metric of an IPv6 route for which none is asked.
const metric6 = 1024

func (s *Sim) applyPeer(c vpn.PeerChange) {
	i := find(&s.state, c.Key)
	if i >= 0 && (c.Do == vpn.RemovePeer || c.Do == vpn.RenewPeer) {
		s.state.Peers = slices.Delete(s.state.Peers, i, i+1)
		i = -1
	}
	switch {
	case c.Do == vpn.RemovePeer, c.Key == s.state.PublicKey, i < 0 && c.Do == vpn.SetPeer:
		return
	case i < 0:
		s.state.Peers = append(s.state.Peers, vpn.Peer{Key: c.Key})
		i = len(s.state.Peers) - 1
	}
	if c.Endpoint.IsValid() {
		s.state.Peers[i].Endpoint = c.Endpoint
	}
	if c.SetKeepalive {
		s.state.Peers[i].Keepalive = c.Keepalive
	}
	p := &s.state.Peers[i]
	for _, ip := range c.Gain {
		s.take(ip)
		p.AllowedIPs = append(p.AllowedIPs, ip)
	}
	slices.SortFunc(p.AllowedIPs, netip.Prefix.Compare)
}

// lose takes allowed IPs from whoever has them.
func (s *Sim) lose(ips []netip.Prefix) {
	for _, ip := range ips {
		s.take(ip)
		s.step()
	}
}

// take takes an allowed IP from the peer that has it.
func (s *Sim) take(ip netip.Prefix) {
	for i := range s.state.Peers {
		p := &s.state.Peers[i]
		p.AllowedIPs = slices.DeleteFunc(p.AllowedIPs, func(have netip.Prefix) bool { return have == ip })
	}
}

func find(s *vpn.State, key wgtypes.Key) int {
	return slices.IndexFunc(s.Peers, func(p vpn.Peer) bool { return p.Key == key })
}

func clone(s vpn.State) vpn.State {
	s.Addresses, s.Routes = slices.Clone(s.Addresses), slices.Clone(s.Routes)
	s.Networks, s.Host, s.HostRoutes = slices.Clone(s.Networks), slices.Clone(s.Host), slices.Clone(s.HostRoutes)
	s.Peers = slices.Clone(s.Peers)
	for i := range s.Peers {
		s.Peers[i].AllowedIPs = slices.Clone(s.Peers[i].AllowedIPs)
	}
	return s
}
