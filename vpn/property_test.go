package vpn_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// world makes random clusters and hosts out of few addresses and keys, so that
// every kind of collision occurs often.
type world struct{ *rand.Rand }

func (w world) pick(texts ...string) string { return texts[w.IntN(len(texts))] }

func (w world) inside() string  { return fmt.Sprintf("10.5.4.%d", w.IntN(8)) }
func (w world) outside() string { return fmt.Sprintf("192.0.2.%d", w.IntN(8)) }

func (w world) address() string {
	return w.pick(w.inside(), w.outside(), w.outside(), "2001:db8::1", "203.0.113.9", "127.0.0.1")
}

func (w world) endpoint() string {
	return w.pick("", "", w.address()+":55820", w.outside()+":55820", "["+w.address()+"]:55820", w.outside(),
		"name.example.com:55820", "nowhere.example.com:1", "[::1", ":::", "x y:1")
}

func (w world) cluster() vpn.Cluster {
	c := vpn.Cluster{Self: 1 + w.IntN(5), Leader: 1 + w.IntN(5), StandsBy: w.IntN(3) == 0, Network: network}
	for range w.IntN(3) {
		c.Candidates = append(c.Candidates, 1+w.IntN(5))
	}
	for range w.IntN(3) {
		c.Standby = append(c.Standby, 1+w.IntN(5))
	}
	for id := 1; id <= 5; id++ {
		if w.IntN(10) == 0 {
			continue
		}
		fields := map[string]string{
			"public_key": key(id).String(), "ip_address": fmt.Sprintf("10.5.4.%d", id), "endpoint": w.endpoint(),
		}
		switch w.IntN(12) {
		case 0:
			fields["public_key"] = w.pick("", "rubbish", key(1+w.IntN(5)).String())
		case 1:
			fields["ip_address"] = w.pick("", "rubbish", w.address())
		}
		for range w.IntN(5) {
			fields["destinations"] += w.address() + w.pick(" ", "  ", "/24 ")
		}
		n, _ := record(fields).Node(id)
		c.Nodes = append(c.Nodes, n)
	}
	w.Shuffle(len(c.Nodes), func(i, j int) { c.Nodes[i], c.Nodes[j] = c.Nodes[j], c.Nodes[i] })
	return c
}

func (w world) prefix() netip.Prefix {
	return netip.MustParsePrefix(w.pick(w.inside()+"/32", w.outside()+"/32", "10.5.4.0/24", "192.0.2.0/24", "2001:db8::1/128"))
}

// host returns a host that may have been set up by anybody.
func (w world) host(self int) vpn.State {
	s := hostOf(self)
	sim := vpntest.NewSim(s)
	var plan vpn.Plan
	for n := range 9 {
		if n == self || w.IntN(2) == 0 {
			continue
		}
		c := vpn.PeerChange{Key: key(n), Do: vpn.AddPeer}
		for range w.IntN(4) {
			c.Gain = append(c.Gain, w.prefix())
		}
		if e, err := netip.ParseAddrPort(w.endpoint()); err == nil {
			c.Endpoint = e
		}
		plan.Peers = append(plan.Peers, c)
	}
	for range w.IntN(8) {
		r := vpn.Route{Dst: w.prefix(), Protocol: []int{vpn.RouteProtocol, vpn.ProtocolBoot, 4}[w.IntN(3)], Scope: vpn.ScopeLink}
		plan.Routes = append(plan.Routes, vpn.RouteChange{Route: r, Adopt: true})
	}
	if err := sim.Apply(context.Background(), plan); err != nil {
		panic(err)
	}
	sim.Change(func(s *vpn.State) {
		for i := range s.Peers {
			if w.IntN(2) == 0 {
				s.Peers[i].LastHandshake = now.Add(-time.Duration(w.IntN(300)) * time.Second)
			}
		}
		if w.IntN(3) == 0 {
			s.Networks = append(s.Networks, prefixes("192.0.2.4/30")...)
		}
		if s.Up = w.IntN(4) > 0; !s.Up {
			s.Routes = nil
		}
	})
	out, err := sim.State(context.Background())
	if err != nil {
		panic(err)
	}
	return out
}

func (w world) memory() vpn.Memory {
	mem := vpn.Memory{Keys: vpn.NewKeys(key(6), key(7)), Endpoints: make(map[wgtypes.Key]netip.AddrPort), Seen: make(map[wgtypes.Key]netip.AddrPort)}
	for n := range 8 {
		if e, err := netip.ParseAddrPort(w.endpoint()); err == nil {
			mem.Endpoints[key(n)] = e
		}
		if e, err := netip.ParseAddrPort(w.endpoint()); err == nil {
			mem.Seen[key(n)] = e
		}
	}
	return mem
}

func (w world) names() vpntest.Names {
	return vpntest.Names{"name.example.com": {addr(w.address()), addr(w.outside())}}
}

func TestRandomClusters(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		w := world{rand.New(rand.NewPCG(seed, 0))}
		c := w.cluster()
		have, mem, names := w.host(c.Self), w.memory(), w.names()
		sim := vpntest.NewSim(have)
		plan := once(t, sim, c, mem, names)

		after, err := sim.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again := once(t, sim, c, mem, names)
		problems := append(checkSafe(c, mem, after, plan), checkForeign(mem, c, have, after)...)
		if !again.Empty() {
			problems = append(problems, "a second run plans\n"+again.String())
		}
		if len(problems) > 0 {
			t.Fatalf("seed %d: %q\ncluster %+v\nbefore %+v\nplan\n%s\nafter %+v", seed, problems, c, have, readable(plan.String()), after)
		}
	}
}

// once makes one run, with a second plan if that is wanted, and fails if a packet that had a way and has one
// afterwards had none in between.
func once(t *testing.T, sim *vpntest.Sim, c vpn.Cluster, mem vpn.Memory, names vpn.Resolver) vpn.Plan {
	t.Helper()
	have, err := sim.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, _ := vpn.Resolve(t.Context(), names, c, have)
	want, _ := vpn.Want(c, mem, have, found)
	plan := vpn.Diff(have, want)
	var steps []vpn.State
	sim.OnStep = func(s vpn.State) { steps = append(steps, s) }
	if err := sim.Apply(t.Context(), plan); err != nil {
		t.Fatalf("%v\ncluster %+v\nhave %+v\nplan\n%s", err, c, have, readable(plan.String()))
	}
	for i := range 8 {
		for _, text := range []string{"10.5.4.%d", "192.0.2.%d"} {
			checkWay(t, addr(fmt.Sprintf(text, i)), have, steps, plan)
		}
	}
	if want.Waits {
		return plan.Then(once(t, sim, c, mem, names))
	}
	return plan
}

func checkWay(t *testing.T, a netip.Addr, have vpn.State, steps []vpn.State, plan vpn.Plan) {
	t.Helper()
	way := func(s vpn.State) bool {
		peer, direct := vpntest.Way(s, a)
		return direct || peer != wgtypes.Key{}
	}
	if len(steps) == 0 || !way(have) || !way(steps[len(steps)-1]) || excepted(a, have, steps[len(steps)-1], plan) {
		return
	}
	for i, s := range steps {
		if !way(s) {
			t.Fatalf("%v has no way after step %d of\n%s\nbefore %+v", a, i+1, readable(plan.String()), have)
		}
	}
}

// excepted: see Plan. An address that was in the tunnel under a route for
// several, and leaves it, or that was under a route that covers an endpoint.
func excepted(a netip.Addr, before, after vpn.State, plan vpn.Plan) bool {
	_, direct := vpntest.Way(after, a)
	wide := func(r vpn.Route) bool { return r.Dst.Contains(a) && !r.Dst.IsSingleIP() }
	return direct && slices.ContainsFunc(before.Routes, wide) || slices.ContainsFunc(plan.Freed, wide)
}

// checkSafe: no endpoint of any peer is inside the tunnel; an allowed IP has
// one peer.
func checkSafe(c vpn.Cluster, mem vpn.Memory, after vpn.State, plan vpn.Plan) []string {
	var problems []string
	ours := vpn.NewKeys()
	owner := make(map[netip.Prefix]int)
	for _, n := range c.Nodes {
		ours.Add(n.PublicKey)
	}
	if _, ok := c.Node(c.Self); !ok || plan.Empty() {
		return nil
	}
	for i, p := range after.Peers {
		for _, ip := range p.AllowedIPs {
			if other, taken := owner[ip]; taken {
				problems = append(problems, fmt.Sprintf("%v has peers %d and %d", ip, other, i))
			}
			owner[ip] = i
		}
	}
	for _, at := range endpointsOf(c, mem, after) {
		single := netip.PrefixFrom(at, at.BitLen())
		for _, r := range after.Routes {
			if r.Dst == single && r.Protocol == vpn.RouteProtocol {
				problems = append(problems, fmt.Sprintf("endpoint %v is routed", at))
			}
		}
		if i, ok := owner[single]; ok && ours.Has(after.Peers[i].Key) {
			problems = append(problems, fmt.Sprintf("endpoint %v is an allowed IP", at))
		}
	}
	return problems
}

// endpointsOf returns the addresses of all peers after a run: as the kernel has
// them (also those inside the cluster network), and as they are written (those
// are not used there).
func endpointsOf(c vpn.Cluster, mem vpn.Memory, after vpn.State) []netip.Addr {
	var all []netip.Addr
	for _, p := range after.Peers {
		if mem.Keys.Has(p.Key) || keyOf(c, p.Key) || !network.Contains(p.Endpoint.Addr()) {
			all = append(all, p.Endpoint.Addr().Unmap())
		}
	}
	for _, n := range c.Nodes {
		if e, err := vpn.ParseEndpoint(n.Endpoint); err == nil && e.Addr.IsValid() && !network.Contains(e.Addr) {
			all = append(all, e.Addr)
		}
	}
	return all
}

func keyOf(c vpn.Cluster, k wgtypes.Key) bool {
	for _, n := range c.Nodes {
		if n.PublicKey == k {
			return true
		}
	}
	return false
}

// checkForeign: what is not the cluster's has survived.
func checkForeign(mem vpn.Memory, c vpn.Cluster, before, after vpn.State) []string {
	var problems []string
	for _, p := range before.Peers {
		if mem.Keys.Has(p.Key) || keyOf(c, p.Key) {
			continue
		}
		q, ok := after.Peer(p.Key)
		if !ok || q.Endpoint != p.Endpoint {
			problems = append(problems, fmt.Sprintf("peer %v: %+v", p.Key, q))
		}
		kept := make(map[netip.Prefix]bool)
		for _, ip := range q.AllowedIPs {
			kept[ip] = true
		}
		for _, ip := range p.AllowedIPs {
			if !kept[ip] && (!ip.IsSingleIP() || !network.Contains(ip.Addr())) {
				problems = append(problems, fmt.Sprintf("peer %v lost %v", p.Key, ip))
			}
		}
	}
	for _, r := range before.Routes {
		there := false
		for _, s := range after.Routes {
			there = there || r == s
		}
		if r.Protocol == 4 && !there {
			problems = append(problems, fmt.Sprintf("route %v of another is gone", r))
		}
	}
	return problems
}
