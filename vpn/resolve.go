package vpn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
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
	answers, failures := lookupAll(ctx, r, wanted)
	peers := peersByKey(now)
	resolved := make(Resolved, len(wanted))
	for _, n := range c.Nodes {
		endpoint, ok := wanted[n.ID]
		if !ok {
			continue
		}
		err := failures[endpoint.Host]
		if err == nil {
			inUse := peers[n.PublicKey].Endpoint.Addr()
			resolved[n.ID], err = choose(endpoint, answers[endpoint.Host], inUse, c.Network, now)
		}
		if err != nil {
			warnings = append(warnings, warnf(n.ID, "endpoint %s: %v", quote(n.Endpoint), err))
		}
	}
	return resolved, sortWarnings(warnings)
}

// endpointsToResolve returns the parsed endpoints of the nodes that are to be
// peers. A record that cannot be parsed is named whoever's peer it is: the
// administrator who mistyped it sits at any node.
func endpointsToResolve(c Cluster) (map[int]Endpoint, []Warning) {
	wanted := make(map[int]Endpoint)
	var warnings []Warning
	for _, n := range c.Nodes {
		if n.Endpoint == "" || n.ID == c.Self {
			continue
		}
		endpoint, err := ParseEndpoint(n.Endpoint)
		if err != nil {
			warnings = append(warnings, warnf(n.ID, "endpoint %s: %v", quote(n.Endpoint), err))
			continue
		}
		if c.isPeer(n.ID) {
			wanted[n.ID] = endpoint
		}
	}
	return wanted, warnings
}

// isPeer says whether node id is to be a peer of this node, for traffic or in
// preparation of a switch.
func (c Cluster) isPeer(id int) bool {
	return id != c.Self && (c.Self == c.Leader || c.Self == c.Candidate || id == c.Leader || id == c.Candidate || slices.Contains(c.Behind, id))
}

// lookupAll looks up the names among endpoints, each once. A failure is kept by
// name; it does not end the other look-ups.
func lookupAll(ctx context.Context, r Resolver, endpoints map[int]Endpoint) (map[string][]netip.Addr, map[string]error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	answers := make(map[string][]netip.Addr)
	failures := make(map[string]error)
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, lookupParallel)
	for host, addr := range distinctHosts(endpoints) {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found, err := []netip.Addr{addr}, error(nil)
			if !addr.IsValid() {
				found, err = lookup(ctx, r, host)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[host], failures[host] = found, err
		})
	}
	group.Wait()
	return answers, failures
}

func distinctHosts(endpoints map[int]Endpoint) map[string]netip.Addr {
	hosts := make(map[string]netip.Addr, len(endpoints))
	for _, e := range endpoints {
		hosts[e.Host] = e.Addr
	}
	return hosts
}

func lookup(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up name: %w", err)
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

// choose picks one address for an endpoint. Answers inside the
// cluster network are no way to a peer, since the tunnel cannot carry itself.
// The address in use stays if it is among the answers, whatever their order:
// name servers rotate them. Otherwise a family this host has comes first, IPv4
// before IPv6.
func choose(e Endpoint, answers []netip.Addr, inUse netip.Addr, network netip.Prefix, now State) (Resolution, error) {
	res := Resolution{Answers: answers}
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
