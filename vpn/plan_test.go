package vpn_test

import (
	"net/netip"
	"testing"

	"cluster-agent/vpn"
)

// planCase is a node, what its kernel has, and the plan that follows.
type planCase struct {
	name     string
	cluster  vpn.Cluster
	have     func(s *vpn.State)
	mem      vpn.Memory
	found    vpn.Resolved // nil: all endpoints resolve to what they say
	plan     string
	warnings string
	notes    string
}

func (c planCase) run(t *testing.T) {
	t.Helper()
	have := hostOf(c.cluster.Self)
	if c.have != nil {
		c.have(&have)
	}
	found := c.found
	if found == nil {
		found = resolve(t, c.cluster, have)
	}
	want, warnings := vpn.Want(c.cluster, c.mem, have, found)
	sameText(t, "plan", readable(vpn.Diff(have, want).String()), c.plan)
	sameText(t, "warnings", warningTexts(warnings), c.warnings)
	sameText(t, "notes", warningTexts(want.Notes), c.notes)
}

func with(c vpn.Cluster, f func(c *vpn.Cluster)) vpn.Cluster {
	f(&c)
	return c
}

func TestPlanOfRoles(t *testing.T) {
	t.Parallel()
	for _, c := range []planCase{
		{
			name:    "hub from nothing",
			cluster: star(1),
			have:    func(s *vpn.State) { s.Up, s.Addresses = false, nil },
			plan: `
				link up
				address add 10.5.4.1
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2 +192.168.2.10 +2001:db8:2::10
				peer add node 3 key3: endpoint 198.51.100.3:55820, keepalive 25s, allowed +10.5.4.3
				peer add node 4 key4: keepalive 25s, allowed +10.5.4.4 +192.168.4.10
				route add 10.5.4.2
				route add 10.5.4.3
				route add 10.5.4.4
				route add 192.168.2.10
				route add 192.168.4.10
				route add 2001:db8:2::10`,
		},
		{
			name:    "worker after joining has the leader alone",
			cluster: star(2),
			have: func(s *vpn.State) {
				leader := peer(1, "10.5.4.1")
				leader.Endpoint = addrPort("198.51.100.1:55820")
				s.Peers, s.Routes = []vpn.Peer{leader}, quickRoutes("10.5.4.1")
			},
			plan: `
				peer set node 1 key1: allowed +10.5.4.3 +10.5.4.4 +192.168.4.10
				route adopt 10.5.4.1
				route add 10.5.4.3
				route add 10.5.4.4
				route add 192.168.4.10`,
		},
		{
			name:    "candidate knows every node before it leads",
			cluster: with(star(3), func(c *vpn.Cluster) { c.Candidates = []int{3} }),
			have:    workerOf("10.5.4.1", "10.5.4.2", "10.5.4.4", "192.168.2.10", "192.168.4.10", "2001:db8:2::10"),
			plan: `
				peer add node 2 key2: keepalive 25s
				peer add node 4 key4: keepalive 25s`,
		},
		{
			name:    "worker knows the candidate before it leads",
			cluster: with(star(4), func(c *vpn.Cluster) { c.Candidates = []int{3} }),
			have:    workerOf("10.5.4.1", "10.5.4.2", "10.5.4.3", "192.168.2.10", "2001:db8:2::10"),
			plan:    `peer add node 3 key3: endpoint 198.51.100.3:55820, keepalive 25s`,
		},
		{
			name:    "a hub that stands by knows every node, and nothing takes another way",
			cluster: with(star(3), func(c *vpn.Cluster) { c.StandsBy = true }),
			have: func(s *vpn.State) {
				workerOf("10.5.4.1", "10.5.4.2", "10.5.4.4", "192.168.2.10", "192.168.4.10", "2001:db8:2::10")(s)
				s.Peers = append(s.Peers, met(peer(2)))
			},
			plan: `peer add node 4 key4: keepalive 25s`,
		},
		{
			name:    "worker meets a hub that stands by",
			cluster: with(star(4), func(c *vpn.Cluster) { c.Standby = []int{3} }),
			have:    workerOf("10.5.4.1", "10.5.4.2", "10.5.4.3", "192.168.2.10", "2001:db8:2::10"),
			plan:    `peer add node 3 key3: endpoint 198.51.100.3:55820, keepalive 25s`,
		},
		{
			name:    "worker that has met a hub keeps its ways",
			cluster: with(star(4), func(c *vpn.Cluster) { c.Standby = []int{3} }),
			have: func(s *vpn.State) {
				workerOf("10.5.4.1", "10.5.4.2", "10.5.4.3", "192.168.2.10", "2001:db8:2::10")(s)
				three := met(peer(3))
				three.Endpoint = addrPort("198.51.100.3:55820")
				s.Peers = append(s.Peers, three)
			},
		},
		{
			name:    "worker that has met a hub forgets it",
			cluster: star(4),
			have: func(s *vpn.State) {
				workerOf("10.5.4.1", "10.5.4.2", "10.5.4.3", "192.168.2.10", "2001:db8:2::10")(s)
				three := met(peer(3))
				three.Endpoint = addrPort("198.51.100.3:55820")
				s.Peers = append(s.Peers, three)
			},
			plan: `peer remove key3`,
		},
		{
			name:    "leader has the candidate already",
			cluster: with(star(1), func(c *vpn.Cluster) { c.Candidates = []int{3}; c.Nodes = c.Nodes[:3] }),
			have: func(s *vpn.State) {
				three := peer(3, "10.5.4.3")
				three.Endpoint = addrPort("198.51.100.3:55820")
				s.Peers = []vpn.Peer{peer(2, "10.5.4.2", "192.168.2.10", "2001:db8:2::10"), three}
				s.Routes = routes("10.5.4.2", "10.5.4.3", "192.168.2.10", "2001:db8:2::10")
			},
		},
		{
			name:    "prepared worker turns to the new leader",
			cluster: with(star(4), func(c *vpn.Cluster) { c.Leader = 3 }),
			have: func(s *vpn.State) {
				workerOf("10.5.4.1", "10.5.4.2", "10.5.4.3", "192.168.2.10", "2001:db8:2::10")(s)
				three := peer(3)
				three.Endpoint = addrPort("198.51.100.3:55820")
				s.Peers = append(s.Peers, three)
			},
			plan: `
				peer set node 3 key3: allowed +10.5.4.1 +10.5.4.2 +10.5.4.3 +192.168.2.10 +2001:db8:2::10
				peer remove key1`,
		},
		{
			name:    "old leader turns worker",
			cluster: with(star(1), func(c *vpn.Cluster) { c.Leader = 3 }),
			have: func(s *vpn.State) {
				three := peer(3, "10.5.4.3")
				three.Endpoint = addrPort("198.51.100.3:55820")
				s.Peers = []vpn.Peer{peer(2, "10.5.4.2", "192.168.2.10", "2001:db8:2::10"), three, peer(4, "10.5.4.4", "192.168.4.10")}
				s.Routes = routes("10.5.4.2", "10.5.4.3", "10.5.4.4", "192.168.2.10", "192.168.4.10", "2001:db8:2::10")
			},
			plan: `
				peer set node 3 key3: allowed +10.5.4.2 +10.5.4.4 +192.168.2.10 +192.168.4.10 +2001:db8:2::10
				peer remove key2
				peer remove key4`,
		},
		{
			name:    "new leader gives each node what the old one had",
			cluster: with(star(3), func(c *vpn.Cluster) { c.Leader = 3 }),
			have: func(s *vpn.State) {
				workerOf("10.5.4.1", "10.5.4.2", "10.5.4.4", "192.168.2.10", "192.168.4.10", "2001:db8:2::10")(s)
				s.Peers = append(s.Peers, peer(2), peer(4))
			},
			plan: `
				peer set node 2 key2: allowed +10.5.4.2 +192.168.2.10 +2001:db8:2::10
				peer set node 4 key4: allowed +10.5.4.4 +192.168.4.10`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// workerOf gives the state one peer, node 1, whose allowed IPs are all routed.
func workerOf(ips ...string) func(s *vpn.State) {
	return func(s *vpn.State) {
		p := peer(1, ips...)
		p.Endpoint = addrPort("198.51.100.1:55820")
		s.Peers, s.Routes = []vpn.Peer{p}, routes(ips...)
	}
}

// hub returns a cluster led by this node, 1, with some others.
func hub(nodes ...vpn.Node) vpn.Cluster {
	return vpn.Cluster{Self: 1, Leader: 1, Network: network, Nodes: append([]vpn.Node{node(1, "")}, nodes...)}
}

func TestPlanOfBadRecords(t *testing.T) {
	t.Parallel()
	twin := node(3, "")
	twin.PublicKey = key(2)
	mirror := node(3, "")
	mirror.PublicKey = key(1)
	double := node(3, "", "192.168.3.3")
	double.Address = addr("10.5.4.2")
	outside := node(3, "")
	outside.Address = addr("10.6.0.3")
	for _, c := range []planCase{
		{
			name: "a node outside the network", cluster: hub(node(2, ""), outside),
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2
				route add 10.5.4.2`,
			warnings: `node 3: ip_address 10.6.0.3 is outside the cluster network 10.5.4.0/24`,
		},
		{
			name: "a cloned machine", cluster: hub(node(2, ""), twin),
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2
				route add 10.5.4.2`,
			warnings: `node 3: public_key key2 is also the key of node 2`,
		},
		{
			name: "a clone of this machine", cluster: hub(node(2, ""), mirror),
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2
				route add 10.5.4.2`,
			warnings: `node 3: public_key key1 is also the key of node 1`,
		},
		{
			name: "one address twice", cluster: hub(double, node(2, "")),
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2
				peer add node 3 key3: keepalive 25s, allowed +192.168.3.3
				route add 10.5.4.2
				route add 192.168.3.3`,
			warnings: `node 3: ip_address 10.5.4.2 is also the address of node 2, which keeps it`,
		},
		{
			name: "destinations that belong to others", cluster: hub(node(2, "", "10.5.4.3", "10.5.4.1", "10.5.4.2"), node(3, "", "192.168.9.9"), node(4, "", "192.168.9.9")),
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2
				peer add node 3 key3: keepalive 25s, allowed +10.5.4.3 +192.168.9.9
				peer add node 4 key4: keepalive 25s, allowed +10.5.4.4
				route add 10.5.4.2
				route add 10.5.4.3
				route add 10.5.4.4
				route add 192.168.9.9`,
			warnings: `
				node 2: destination 10.5.4.1 belongs to node 1
				node 2: destination 10.5.4.3 belongs to node 3
				node 4: destination 192.168.9.9 belongs to node 3`,
		},
		{
			name: "no record of this node", cluster: with(star(9), func(*vpn.Cluster) {}),
			have:     func(s *vpn.State) { workerOf("10.5.4.1")(s) },
			warnings: `node 9: this node has no record in the cluster: nothing is changed`,
		},
		{
			name: "no record of the leader", cluster: with(star(2), func(c *vpn.Cluster) { c.Leader = 7 }),
			have:     workerOf("10.5.4.1"),
			warnings: `node 7: the leader has no usable record: nothing is changed`,
		},
		{
			name: "another key than in the record", cluster: hub(),
			have:     func(s *vpn.State) { s.PublicKey = key(8) },
			warnings: `node 1: the interface has the key key8, the record says key1`,
		},
		{
			name: "leader without endpoint", cluster: with(star(2), func(c *vpn.Cluster) { c.Nodes = []vpn.Node{node(1, ""), node(2, "")} }),
			plan: `
				peer add node 1 key1: keepalive 25s, allowed +10.5.4.1
				route add 10.5.4.1`,
			warnings: `node 1: the record has no endpoint: waiting for the node to make itself heard`,
		},
		{name: "no cluster yet", cluster: vpn.Cluster{Self: 1, Leader: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// What the contract calls exceptions, and hazards 1, 3 and 5.
func TestPlanOfAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []planCase{
		{
			name: "reached directly, own, or routed by hand", cluster: hub(node(2, "", "203.0.113.9", "203.0.113.77", "192.0.2.1")),
			have: func(s *vpn.State) { s.HostRoutes = prefixes("192.0.2.1") },
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2 +203.0.113.9 +203.0.113.77
				route add 10.5.4.2`,
			warnings: `node 2: 192.0.2.1 stays out of the tunnel: the host has another route for it`,
			notes: `
				node 2: 203.0.113.77 is not routed: it is an address of this host
				node 2: 203.0.113.9 is not routed: it is reached directly in 203.0.113.0/24`,
		},
		{
			name: "a bad record with another node's key costs only itself",
			cluster: hub(
				vpn.Node{ID: 2, PublicKey: key(3), Address: addr("192.0.2.2")},
				node(3, "")),
			plan: `
				peer add node 3 key3: keepalive 25s, allowed +10.5.4.3
				route add 10.5.4.3`,
			warnings: `node 2: ip_address 192.0.2.2 is outside the cluster network 10.5.4.0/24`,
		},
		{
			name: "a route that wg-quick made for an address taken back", cluster: hub(node(2, "")),
			have: func(s *vpn.State) {
				s.Host = append(s.Host, addr("10.5.4.2"))
				s.Peers, s.Routes = []vpn.Peer{peer(9, "10.5.4.2")}, quickRoutes("10.5.4.2")
			},
			plan: `
				route remove 10.5.4.2 proto 3
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2`,
			warnings: `node 2: 10.5.4.2 is taken back from the peer key9, which is no node of the cluster`,
			notes:    `node 2: 10.5.4.2 is not routed: it is an address of this host`,
		},
		{
			name: "a local network does not take cluster addresses", cluster: hub(node(2, "")),
			have: func(s *vpn.State) { s.Networks = append(s.Networks, prefixes("10.5.0.0/16")...) },
			plan: `
				peer add node 2 key2: keepalive 25s, allowed +10.5.4.2
				route add 10.5.4.2`,
		},
		{
			name: "endpoints stay out: configured, resolved, seen, rubbish", cluster: hub(
				node(2, "192.0.2.1:55820", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"),
				node(3, "three.example.com:55820"),
				node(4, "192.0.2.3"),
			),
			have: func(s *vpn.State) {
				s.Peers = []vpn.Peer{{Key: key(9), Endpoint: addrPort("192.0.2.4:1")}}
			},
			found: vpn.Resolved{
				2: {Endpoint: addrPort("192.0.2.1:55820")},
				3: {Endpoint: addrPort("192.0.2.100:55820"), Answers: []netip.Addr{addr("192.0.2.100"), addr("192.0.2.2")}},
			},
			plan: `
				peer add node 2 key2: endpoint 192.0.2.1:55820, keepalive 25s, allowed +10.5.4.2 +192.0.2.5
				peer add node 3 key3: endpoint 192.0.2.100:55820, keepalive 25s, allowed +10.5.4.3
				peer add node 4 key4: keepalive 25s, allowed +10.5.4.4
				route add 10.5.4.2
				route add 10.5.4.3
				route add 10.5.4.4
				route add 192.0.2.5`,
			notes: `
				node 2: 192.0.2.1 stays out of the tunnel: node 2 is there
				node 2: 192.0.2.2 stays out of the tunnel: node 3 is there
				node 2: 192.0.2.3 stays out of the tunnel: node 4 is there
				node 2: 192.0.2.4 stays out of the tunnel: a peer that is no node of the cluster is there`,
		},
		{
			name: "an address that was in the tunnel becomes the endpoint", cluster: with(star(2), func(c *vpn.Cluster) {
				c.Nodes = []vpn.Node{node(1, "192.168.4.10:55820"), node(2, ""), node(4, "", "192.168.4.10")}
			}),
			have: workerOf("10.5.4.1", "10.5.4.4", "192.168.4.10"),
			plan: `
				route remove 192.168.4.10
				peer set node 1 key1: endpoint 192.168.4.10:55820 (was 198.51.100.1:55820), allowed -192.168.4.10`,
			notes: `node 4: 192.168.4.10 stays out of the tunnel: node 1 is there`,
		},
		{
			name: "an endpoint inside the tunnel is forgotten, its address stays", cluster: hub(node(2, "10.5.4.3:55820"), node(3, "")),
			have: func(s *vpn.State) {
				two := peer(2, "10.5.4.2")
				two.Endpoint = addrPort("10.5.4.3:55820")
				s.Peers, s.Routes = []vpn.Peer{two, peer(3, "10.5.4.3")}, routes("10.5.4.2", "10.5.4.3")
			},
			plan:     `peer renew node 2 key2: keepalive 25s, allowed +10.5.4.2`,
			warnings: `node 2: forgetting the endpoint 10.5.4.3:55820: it is inside the cluster network`,
		},
		{
			name: "an administrator's peer and routes", cluster: hub(node(2, "", "172.20.0.1", "172.20.0.2"), node(3, "")),
			have: func(s *vpn.State) {
				s.Peers = []vpn.Peer{
					peer(2, "10.5.4.2", "172.20.0.1"),
					{Key: key(9), AllowedIPs: prefixes("10.5.4.3", "172.20.0.2", "172.21.0.0/16")},
				}
				s.Routes = append(routes("10.5.4.2", "172.20.0.1", "172.20.0.9"), quickRoutes("172.20.0.2", "172.21.0.0/16", "172.22.0.1")...)
			},
			plan: `
				route remove 172.20.0.9
				peer add node 3 key3: keepalive 25s, allowed +10.5.4.3
				route add 10.5.4.3`,
			warnings: `
				node 2: 172.20.0.2 belongs to the peer key9, which is no node of the cluster
				node 3: 10.5.4.3 is taken back from the peer key9, which is no node of the cluster`,
		},
		{
			name: "a removed node, set up by wg-quick", cluster: hub(node(2, "")),
			mem: vpn.Memory{Keys: vpn.NewKeys(key(5))},
			have: func(s *vpn.State) {
				s.Peers = []vpn.Peer{peer(2, "10.5.4.2"), peer(5, "10.5.4.5", "192.168.5.0/24")}
				s.Routes = quickRoutes("10.5.4.2", "10.5.4.5", "192.168.5.0/24", "10.5.4.200")
			},
			plan: `
				route remove 10.5.4.5 proto 3
				peer remove key5
				route adopt 10.5.4.2
				route remove 192.168.5.0/24 proto 3`,
		},
		{
			name: "a network routed at once becomes single addresses", cluster: with(star(2), func(c *vpn.Cluster) { c.Nodes = c.Nodes[:3] }),
			have: func(s *vpn.State) {
				workerOf("10.5.4.0/24")(s)
				s.Routes = quickRoutes("10.5.4.0/24")
			},
			plan: `
				peer set node 1 key1: allowed +10.5.4.1 +10.5.4.3 -10.5.4.0/24
				route add 10.5.4.1
				route add 10.5.4.3
				route remove 10.5.4.0/24 proto 3`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}
