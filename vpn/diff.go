package vpn

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
)

// Diff returns what turns have into want. It is pure. An interface that is as
// wanted gives the zero Plan.
func Diff(have State, want Desired) Plan {
	if want.Keep {
		return Plan{}
	}
	plan := Plan{LinkUp: !have.Up}
	if want.Address.IsValid() && !hasAddress(have, want.Address.Addr()) {
		plan.Address = want.Address
	}
	plan.Freed, plan.Stale = staleIn(have, want)
	plan.Peers = diffPeers(have, want)
	plan.Routes = diffRoutes(have, want)
	return plan
}

// hasAddress accepts any prefix length: another tool may have set the address
// together with the network.
func hasAddress(have State, addr netip.Addr) bool {
	return slices.ContainsFunc(have.Addresses, func(p netip.Prefix) bool { return p.Addr() == addr })
}

// staleIn returns the stale routes that are there: those to remove before the
// peers change, and the others.
func staleIn(have State, want Desired) (first, last []Route) {
	if len(want.Stale) == 0 {
		return nil, nil
	}
	there := make(map[Route]bool, len(have.Routes))
	for _, r := range have.Routes {
		there[r] = true
	}
	for _, r := range want.Stale {
		switch {
		case !there[r]:
		case r.Dst.IsSingleIP() || coversEndpoint(r, want):
			first = append(first, r)
		default:
			last = append(last, r)
		}
	}
	return first, last
}

// coversEndpoint says whether the route sends a wanted peer's packets into the
// tunnel that they are to carry. Such a tunnel carries nothing, so nothing is
// lost with the route; but a handshake begun while it is there is, and costs
// five seconds.
func coversEndpoint(r Route, want Desired) bool {
	for _, p := range want.Peers {
		if r.Dst.Contains(p.Endpoint.Addr()) || r.Dst.Contains(p.Configured.Addr()) {
			return true
		}
	}
	return false
}

// diffPeers returns the changes of peers: those that are wanted by node id,
// which take what they gain from the others (peers that are there before new
// ones), then those that go.
func diffPeers(have State, want Desired) []PeerChange {
	peers := have.ByKey()
	gained := gainedIPs(peers, want)
	wanted := make(Keys, len(want.Peers))
	var changes []PeerChange
	for _, w := range want.Peers {
		wanted.Add(w.Key)
		p, exists := peers.Get(w.Key)
		if change, needed := diffPeer(p, exists, w, gained); needed {
			changes = append(changes, change)
		}
	}
	// A renewed peer loses for a moment what it has: after the others have taken
	// what is to be theirs.
	slices.SortStableFunc(changes, func(a, b PeerChange) int { return cmp.Compare(a.Do, b.Do) })
	return append(changes, removals(have, want, wanted)...)
}

// gainedIPs returns the allowed IPs that some peer gets: the others lose them
// without being told.
func gainedIPs(peers PeerIndex, want Desired) map[netip.Prefix]bool {
	gained := make(map[netip.Prefix]bool)
	for _, w := range want.Peers {
		p, _ := peers.Get(w.Key)
		for _, ip := range missing(w.AllowedIPs, p.AllowedIPs) {
			gained[ip] = true
		}
	}
	return gained
}

// diffPeer returns the change of one wanted peer, and whether there is any.
func diffPeer(p Peer, exists bool, w DesiredPeer, gained map[netip.Prefix]bool) (PeerChange, bool) {
	c := PeerChange{Node: w.Node, Key: w.Key}
	switch {
	case !exists:
		c.Do = AddPeer
	case w.Renew:
		c.Do, c.EndpointWas = RenewPeer, p.Endpoint
		p = Peer{}
	}
	if w.Endpoint.IsValid() && w.Endpoint != p.Endpoint {
		c.Endpoint, c.EndpointWas = w.Endpoint, p.Endpoint
	}
	if w.Keepalive != p.Keepalive {
		c.Keepalive, c.SetKeepalive = w.Keepalive, true
	}
	c.Gain = missing(w.AllowedIPs, p.AllowedIPs)
	c.Lose = slices.DeleteFunc(missing(p.AllowedIPs, w.AllowedIPs), func(ip netip.Prefix) bool { return gained[ip] })
	needed := c.Do != SetPeer || c.Endpoint.IsValid() || c.SetKeepalive || len(c.Gain)+len(c.Lose) > 0
	return c, needed
}

// missing returns the prefixes of a that are not in b.
func missing(a, b []netip.Prefix) []netip.Prefix {
	if slices.Equal(a, b) {
		return nil // without a search among ten thousand
	}
	if len(b) == 0 {
		return slices.Clone(a)
	}
	in := make(map[netip.Prefix]bool, len(b))
	for _, p := range b {
		in[p] = true
	}
	var out []netip.Prefix
	for _, p := range a {
		if !in[p] {
			out = append(out, p)
		}
	}
	return out
}

// removals returns the removal of every peer that is ours and not wanted.
func removals(have State, want Desired, wanted Keys) []PeerChange {
	var changes []PeerChange
	for _, p := range have.Peers {
		if want.Ours.Has(p.Key) && !wanted.Has(p.Key) {
			changes = append(changes, PeerChange{Key: p.Key, Do: RemovePeer})
		}
	}
	slices.SortFunc(changes, func(a, b PeerChange) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return changes
}

// diffRoutes returns the routes to add or to take over. A route that another
// maker has put there for the same destination does as well and stays.
func diffRoutes(have State, want Desired) []RouteChange {
	there := make(map[netip.Prefix]int, len(have.Routes)) // destination → index
	for i, r := range have.Routes {
		if old, ok := there[r.Dst]; !ok || have.Routes[old].byQuick() {
			there[r.Dst] = i
		}
	}
	var changes []RouteChange
	for _, dst := range want.Routes {
		i, ok := there[dst]
		switch {
		case !ok:
			changes = append(changes, RouteChange{Route: ownRoute(dst, 0)})
		case have.Routes[i].byQuick():
			changes = append(changes, RouteChange{Route: ownRoute(dst, have.Routes[i].Metric), Adopt: true})
		}
	}
	return changes
}

func ownRoute(dst netip.Prefix, metric int) Route {
	return Route{Dst: dst, Protocol: RouteProtocol, Scope: ScopeLink, Metric: metric}
}
