package vpn

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Plan is what has to be done, in the order in which it has to be done: the
// fields from top to bottom.
//
// The order keeps a way for every packet that had one and will have one. A
// single address that leaves the tunnel loses its route first, so that packets
// fall to the route beside it; so does a route that covers a peer's endpoint, so
// that the handshake gets out. Then all peers change in one request: what they gain first,
// then peers are removed, and at last allowed IPs that go to nobody. Then come
// new routes, and at last the old routes that covered several addresses, which
// have been replaced by then; only an address under such a route that belongs to
// no node has no way for the moment in between. The zero Plan does nothing.
type Plan struct {
	LinkUp  bool
	Address netip.Prefix // to add; the zero value: none
	Freed   []Route      // routes to remove before the peers change
	Peers   []PeerChange // one request
	Routes  []RouteChange
	Stale   []Route // other routes to remove
}

// PeerChange changes one peer. What is zero stays as it is.
type PeerChange struct {
	Node int // for people; 0: a node that is gone
	Key  wgtypes.Key
	Do   PeerAction

	Endpoint     netip.AddrPort
	EndpointWas  netip.AddrPort // for people
	Keepalive    time.Duration
	SetKeepalive bool
	Gain         []netip.Prefix // allowed IPs to add; whoever has them loses them
	Lose         []netip.Prefix // allowed IPs to take away that go to no other peer, after all else
}

// PeerAction says what a PeerChange does.
type PeerAction int

// The actions on a peer. RenewPeer removes it and adds it again with what the
// change holds, which makes the kernel forget the session and the endpoint.
const (
	SetPeer PeerAction = iota
	AddPeer
	RenewPeer
	RemovePeer
)

// String gives the word a Plan is printed with.
func (a PeerAction) String() string {
	switch a {
	case SetPeer:
		return "set"
	case AddPeer:
		return "add"
	case RenewPeer:
		return "renew"
	case RemovePeer:
		return "remove"
	default:
		return fmt.Sprintf("PeerAction(%d)", int(a))
	}
}

// RouteChange adds a route of ours, or takes over one that wg-quick made for
// the same destination, in place.
type RouteChange struct {
	Route
	Adopt bool
}

// Empty says whether there is nothing to do.
func (p Plan) Empty() bool {
	return !p.LinkUp && !p.Address.IsValid() &&
		len(p.Freed)+len(p.Peers)+len(p.Routes)+len(p.Stale) == 0
}

// Then returns what has been done after both plans.
func (p Plan) Then(next Plan) Plan {
	p.LinkUp = p.LinkUp || next.LinkUp
	if next.Address.IsValid() {
		p.Address = next.Address
	}
	p.Freed, p.Peers = append(p.Freed, next.Freed...), append(p.Peers, next.Peers...)
	p.Routes, p.Stale = append(p.Routes, next.Routes...), append(p.Stale, next.Stale...)
	return p
}

// String gives one change a line, in the order of application.
func (p Plan) String() string {
	return strings.Join(p.Lines(), "\n")
}

// Lines gives one change a line, in the order of application; no lines for
// nothing to do.
func (p Plan) Lines() []string {
	var lines []string
	if p.LinkUp {
		lines = append(lines, "link up")
	}
	if p.Address.IsValid() {
		lines = append(lines, "address add "+p.Address.String())
	}
	for _, r := range p.Freed {
		lines = append(lines, "route remove "+r.String())
	}
	for _, c := range p.Peers {
		lines = append(lines, c.String())
	}
	for _, c := range p.Routes {
		lines = append(lines, c.String())
	}
	for _, r := range p.Stale {
		lines = append(lines, "route remove "+r.String())
	}
	return lines
}

// String gives "peer set node 3 KEY: endpoint A (was B), allowed +C -D".
func (c PeerChange) String() string {
	var what []string
	if c.Endpoint.IsValid() {
		text := "endpoint " + c.Endpoint.String()
		if c.EndpointWas.IsValid() {
			text += " (was " + c.EndpointWas.String() + ")"
		}
		what = append(what, text)
	}
	if c.SetKeepalive {
		what = append(what, "keepalive "+c.Keepalive.String())
	}
	if len(c.Gain)+len(c.Lose) > 0 {
		what = append(what, "allowed"+signed(" +", c.Gain)+signed(" -", c.Lose))
	}
	line := "peer " + c.Do.String()
	if c.Node != 0 {
		line += fmt.Sprintf(" node %d", c.Node)
	}
	line += " " + c.Key.String()
	if len(what) > 0 {
		line += ": " + strings.Join(what, ", ")
	}
	return line
}

func signed(sign string, prefixes []netip.Prefix) string {
	var b strings.Builder
	for _, p := range prefixes {
		b.WriteString(sign + p.String())
	}
	return b.String()
}

// String gives "route add 10.5.4.3/32".
func (c RouteChange) String() string {
	if c.Adopt {
		return "route adopt " + c.Route.String()
	}
	return "route add " + c.Route.String()
}

// String gives the destination, and what is unusual about the route.
func (r Route) String() string {
	text := r.Dst.String()
	if r.Protocol != RouteProtocol {
		text += fmt.Sprintf(" proto %d", r.Protocol)
	}
	if r.Metric != 0 {
		text += fmt.Sprintf(" metric %d", r.Metric)
	}
	return text
}
