package vpn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resolver looks up the addresses of a name; net.Resolver does. The network is
// "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolution is what became of one node's endpoint.
type Resolution struct {
	Endpoint netip.AddrPort // the one to use; the zero value: none of the answers can be used
	Answers  []netip.Addr   // all addresses of the name
}

// Resolved holds the resolutions of endpoints by node id. A node without one
// keeps the endpoint that its peer has.
type Resolved map[int]Resolution

// Limits of name resolution. A name server that is down must not hold up the
// addresses that are known.
const (
	lookupTimeout  = 2 * time.Second
	lookupParallel = 64
	resolveTimeout = 5 * time.Second // for all of them together
)

// Resolve finds the addresses of the endpoints of those nodes that are to be
// peers of this one: on the leader all nodes, on a worker the leader and the
// candidate. Names are looked up side by side, each once, for at most two
// seconds, all for at most five.
func Resolve(ctx context.Context, r Resolver, c Cluster, now State) (Resolved, []Warning) {
	wanted, warnings := endpointsToResolve(c)
	answers := lookupAll(ctx, r, namesIn(wanted))
	var peers PeerIndex
	if len(answers) > 0 {
		peers = now.ByKey()
	}
	resolved := make(Resolved, len(wanted))
	for _, w := range wanted {
		a := lookedUp{}
		if w.Addr.IsValid() {
			a.addrs = []netip.Addr{w.Addr}
		} else {
			a = answers[w.Host]
		}
		if a.err == nil {
			inUse, _ := peers.Get(w.node.PublicKey)
			resolved[w.node.ID], a.err = choose(w.Endpoint, a.addrs, inUse.Endpoint.Addr(), c.Network, now)
		}
		if a.err != nil {
			warnings = append(warnings, warnf(w.node.ID, "endpoint %s: %v", quote(w.node.Endpoint), a.err))
		}
	}
	return resolved, sortWarnings(warnings)
}

// wantedEndpoint is the endpoint of a node that is to be a peer.
type wantedEndpoint struct {
	Endpoint

	node *Node
}

// endpointsToResolve returns the parsed endpoints of the nodes that are to be
// peers. A record that cannot be parsed is named whoever's peer it is: the
// administrator who mistyped it sits at any node.
func endpointsToResolve(c Cluster) ([]wantedEndpoint, []Warning) {
	var wanted []wantedEndpoint
	var warnings []Warning
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if n.Endpoint == "" || n.ID == c.Self {
			continue
		}
		endpoint, err := ParseEndpoint(n.Endpoint)
		if err != nil {
			warnings = append(warnings, warnf(n.ID, "endpoint %s: %v", quote(n.Endpoint), err))
			continue
		}
		if c.isPeer(n.ID) {
			wanted = append(wanted, wantedEndpoint{endpoint, n})
		}
	}
	return wanted, warnings
}

// isPeer says whether node id is to be a peer of this node: for traffic, in
// preparation of a switch, or to stand by.
func (c Cluster) isPeer(id int) bool {
	return id != c.Self && (c.StandsBy || c.carries(id) || slices.Contains(c.Standby, id))
}

// carries says whether the link to node id is there for packets, now or as soon as it
// has had a handshake.
func (c Cluster) carries(id int) bool {
	return c.Self == c.Leader || id == c.Leader || c.mayLead(c.Self) || c.mayLead(id) || slices.Contains(c.Behind, id)
}

// mayLead says whether node id is a candidate.
func (c Cluster) mayLead(id int) bool { return slices.Contains(c.Candidates, id) }

// lookedUp is what became of a look-up.
type lookedUp struct {
	addrs []netip.Addr
	err   error
}

// lookupAll looks up names. A failure does not end the other look-ups.
func lookupAll(ctx context.Context, r Resolver, names map[string]bool) map[string]lookedUp {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	answers := make(map[string]lookedUp, len(names))
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, lookupParallel)
	for name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found, err := lookup(ctx, r, name)
			mu.Lock()
			defer mu.Unlock()
			answers[name] = lookedUp{found, err}
		})
	}
	group.Wait()
	return answers
}

// namesIn returns the names among endpoints, each once.
func namesIn(endpoints []wantedEndpoint) map[string]bool {
	names := make(map[string]bool)
	for _, e := range endpoints {
		if !e.Addr.IsValid() {
			names[e.Host] = true
		}
	}
	return names
}

func lookup(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up name: %w", withoutSockets(err))
	}
	var usable []netip.Addr
	for _, addr := range found {
		if addr = addr.Unmap(); checkEndpointAddr(addr) == nil {
			usable = append(usable, addr)
		}
	}
	if len(usable) == 0 {
		return nil, errors.New("look up name: no address")
	}
	return usable, nil
}

// withoutSockets takes "read udp [::1]:58167->[::1]:53: " out of an error: the port is
// another each time, and trouble that goes on shall be named in the same words, and once.
func withoutSockets(err error) error {
	failed, ok := errors.AsType[*net.DNSError](err)
	if !ok || !strings.Contains(failed.Err, "->") {
		return err
	}
	plain := *failed
	plain.Err = plain.Err[strings.LastIndex(plain.Err, ": ")+len(": "):]
	return &plain
}

// choose picks one address for an endpoint. Answers inside the
// cluster network are no way to a peer, since the tunnel cannot carry itself.
// The address in use stays if it is among the answers, whatever their order:
// name servers rotate them. Otherwise a family this host has comes first, IPv4
// before IPv6.
func choose(e Endpoint, answers []netip.Addr, inUse netip.Addr, network netip.Prefix, now State) (Resolution, error) {
	res := Resolution{Answers: answers}
	if len(answers) == 1 && !network.Contains(answers[0]) {
		res.Endpoint = netip.AddrPortFrom(answers[0], e.Port)
		return res, nil
	}
	outside := slices.DeleteFunc(slices.Clone(answers), network.Contains)
	if len(outside) == 0 {
		return Resolution{}, fmt.Errorf("address inside the cluster network %v", network)
	}
	if slices.Contains(outside, inUse) {
		res.Endpoint = netip.AddrPortFrom(inUse, e.Port)
		return res, nil
	}
	slices.SortFunc(outside, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(rank(a, now), rank(b, now)), a.Compare(b))
	})
	res.Endpoint = netip.AddrPortFrom(outside[0], e.Port)
	return res, nil
}

// rank orders addresses by how likely this host reaches them.
func rank(addr netip.Addr, now State) int {
	switch {
	case addr.Is4() && now.reaches(netip.Addr.Is4):
		return 0
	case addr.Is6() && now.reaches(netip.Addr.Is6):
		return 1
	case addr.Is4():
		return 2
	default:
		return 3
	}
}
