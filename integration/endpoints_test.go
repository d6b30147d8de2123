package integration

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
)

// newDNS starts a name server for a cluster's nodes; it ends with the test.
func newDNS(ctx context.Context, t *testing.T, c *lab.Cluster) *lab.DNS {
	t.Helper()
	dns, err := c.Lab.StartDNS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if stopErr := dns.Stop(); stopErr != nil {
			t.Error(stopErr)
		}
	})
	return dns
}

// endpointOf is where a node's wg0 has the peer with the key of another node.
func endpointOf(ctx context.Context, c *lab.Cluster, on, peer int) (string, error) {
	keys := c.Expect().Keys
	d, err := c.Lab.Node(on).WireGuard(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(d.Peers, func(p lab.Peer) bool { return keys[p.Key] == peer })
	if i < 0 {
		return "", fmt.Errorf("node %d is no peer of node %d", peer, on)
	}
	return d.Peers[i].Endpoint, nil
}

// awaitEndpoint waits until a node has another one as a peer at some place.
func awaitEndpoint(ctx context.Context, t *testing.T, c *lab.Cluster, on, peer int, want string) {
	t.Helper()
	eventually(ctx, t, time.Minute, fmt.Sprintf("node %d has node %d at %s", on, peer, want), func(ctx context.Context) error {
		got, err := endpointOf(ctx, c, on, peer)
		if err == nil && got != want {
			err = fmt.Errorf("it is at %s", got)
		}
		return err
	})
}

// reach gives a node addresses behind it, by update-routes.
func reach(ctx context.Context, t *testing.T, c *lab.Cluster, at map[string]int) {
	t.Helper()
	add := make([]map[string]any, 0, len(at))
	for address, id := range at {
		add = append(add, map[string]any{"ip_address": address, "node_id": id})
	}
	if got, err := c.Lab.Node(c.Leader).Call(ctx, "update-routes", map[string]any{"add": add}); err != nil || got.Code != 0 {
		t.Fatalf("update-routes: %+v, %v", got, err)
	}
}

// Hazard 1: an endpoint is a name that nobody knows: the leader's, in use by the
// workers, and a worker's. Both links stay where they are, the problem is in the log,
// other changes are made all the same; and when the name is known, it is used, though
// no event tells of it.
func TestHazard01UnresolvableEndpoint(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	dns := newDNS(ctx, t, c)
	const name, nobody, destination = "leader.example.com", "nowhere.example.com", "192.0.2.200"
	for id, host := range map[int]string{1: name, 2: nobody} {
		if err := c.SetEndpoint(ctx, id, host+":55820"); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(ctx, t, c.Lab.Node(3), "ip", "address", "add", destination+"/32", "dev", "lo")
	reach(ctx, t, c, map[string]int{destination: 3})
	for _, id := range []int{1, 2} {
		eventually(ctx, t, 20*time.Second, fmt.Sprintf("node %d reaches the new address", id), func(ctx context.Context) error {
			return pings(ctx, c.Lab.Node(id), destination)
		})
	}
	for on, host := range map[int]string{1: nobody, 2: name, 3: name} {
		eventually(ctx, t, 20*time.Second, fmt.Sprintf("node %d names the bad record", on), func(context.Context) error {
			if said(t, c.Lab.Node(on), `endpoint "`+host+`:55820": look up name`) == 0 {
				return errors.New(logsOf(t, c.Lab.Node(on)))
			}
			return nil
		})
	}
	for link, want := range map[[2]int]string{{1, 2}: c.Endpoint(2), {2, 1}: c.Endpoint(1), {3, 1}: c.Endpoint(1)} {
		if got, err := endpointOf(ctx, c, link[0], link[1]); err != nil || got != want {
			t.Errorf("node %d has node %d at %q, %v; want %q", link[0], link[1], got, err, want)
		}
	}
	settleVPNOf(ctx, t, c, 3)

	// At its IPv6 address the leader is found from now on, by wg0 until it sends from
	// the other one, by wg0.conf for good. The next look is in half a minute; the host's
	// network makes it come sooner.
	dns.Set(name, lab.Address6(1))
	moved := netip.AddrPortFrom(lab.Address6(1), lab.WireGuardPort).String()
	for _, on := range []int{2, 3} {
		n := c.Lab.Node(on)
		mustRun(ctx, t, n, "ip", "address", "add", "198.51.100.7/32", "dev", "lo")
		eventually(ctx, t, time.Minute, "the name is used", func(context.Context) error {
			conf, err := n.ReadFile("/etc/wireguard/wg0.conf")
			if err == nil && (!strings.Contains(conf, "Endpoint = "+moved) || said(t, n, "endpoint "+moved) == 0) {
				err = fmt.Errorf("%s\n%s", conf, logsOf(t, n))
			}
			return err
		})
	}
	settleVPNOf(ctx, t, c, 3)
}

// behind makes a machine behind node n, with an IPv6 address, on which a Redis answers.
func behind(ctx context.Context, t *testing.T, n *lab.Node, address string) {
	t.Helper()
	for _, line := range []string{
		"netns add behind",
		"link add b0 type veth peer name b1 netns behind",
		"-6 address add fe80::1/64 dev b0 nodad",
		"link set b0 up",
		"-6 route add " + address + "/128 dev b0",
		"-n behind link set lo up",
		"-n behind -6 address add " + address + "/128 dev b1 nodad",
		"-n behind link set b1 up",
		"-n behind -6 route add default via fe80::1 dev b1",
	} {
		mustRun(ctx, t, n, append([]string{"ip"}, strings.Fields(line)...)...)
	}
	mustRun(ctx, t, n, "ip", "netns", "exec", "behind", "redis-server", "--bind", address, "--port", "7000",
		"--save", "", "--protected-mode", "no", "--daemonize", "yes", "--dir", "/tmp")
}

// Hazard 2: all endpoints are IPv6 literals in brackets, and the hub and the worker in
// front pass IPv6 packets on to addresses on a worker and behind it. Then another node
// leads at a name with both kinds of address: who has both takes IPv4, who has no
// IPv4 takes the other, and a link that is in use stays where it is.
func TestHazard02IPv6Endpoints(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := lab.NewCluster(newLab(ctx, t, lab.Config{Nodes: 4, Programs: programs(t)}))
	c.Outside = lab.Address6
	if err := c.Up(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c) // with [2001:db8:1::1]:55820 in wg0 and wg0.conf of the workers
	const two, three, far = "2001:db8:f::2", "2001:db8:f::3", "2001:db8:f::33"
	mustRun(ctx, t, c.Lab.Node(2), "ip", "-6", "address", "add", two+"/128", "dev", "lo")
	mustRun(ctx, t, c.Lab.Node(3), "ip", "-6", "address", "add", three+"/128", "dev", "lo")
	behind(ctx, t, c.Lab.Node(3), far)
	reach(ctx, t, c, map[string]int{two: 2, three: 3, far: 3})
	eventually(ctx, t, 10*time.Second, "the worker's own address answers", func(ctx context.Context) error {
		return pings(ctx, c.Lab.Node(2), three)
	})
	eventually(ctx, t, 40*time.Second, "the address behind it answers", func(ctx context.Context) error {
		got, err := c.Lab.Node(2).Run(ctx, "timeout", "1", "redis-cli", "-h", far, "-p", "7000", "ping")
		if err == nil && strings.TrimSpace(got) != "PONG" {
			err = errors.New(got)
		}
		return err
	})
	for _, n := range c.Lab.Nodes {
		const forwarding = "/proc/sys/net/ipv6/conf/*/forwarding"
		single := mustRun(ctx, t, n, "sh", "-c", "test -e /proc/sys/net/ipv6/conf/default/force_forwarding && cat "+forwarding+" || true")
		if strings.Contains(single, "1") {
			t.Errorf("node %d takes no router advertisements any more: %s", n.ID, single)
		}
	}
	calm(ctx, t, c.Lab.Nodes)
	namedByBoth(ctx, t, c)
	eventually(ctx, t, 40*time.Second, "by the new hub, too", func(ctx context.Context) error {
		return errors.Join(pings(ctx, c.Lab.Node(2), three), pings(ctx, c.Lab.Node(3), two))
	})
}

// namedByBoth makes node 3 lead at a name with an IPv4 and an IPv6 address, in a
// cluster whose node 4 has IPv6 alone.
func namedByBoth(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	const name = "both.example.com"
	newDNS(ctx, t, c).Set(name, lab.Address4(3), lab.Address6(3))
	mustRun(ctx, t, c.Lab.Node(4), "ip", "-4", "address", "flush", "dev", "eth0")
	got, err := c.Lab.Node(1).Call(ctx, "promote-node", lab.PromoteInput(3, name))
	if err != nil || got.Code != 0 {
		t.Fatalf("promote-node: %+v, %v", got, err)
	}
	c.MoveTo(3)
	for on, at := range map[int]netip.Addr{1: lab.Address6(3), 2: lab.Address4(3), 4: lab.Address6(3)} {
		awaitEndpoint(ctx, t, c, on, 3, netip.AddrPortFrom(at, lab.WireGuardPort).String())
	}
	for _, id := range []int{1, 2, 4} {
		settleVPNOf(ctx, t, c, id)
	}
}

// Hazard 4: the leader gets another address, and its name follows. Nobody tells the
// workers.
func TestHazard04EndpointMoves(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 8*time.Minute)
	c := newCluster(ctx, t, 3)
	dns := newDNS(ctx, t, c)
	const name, dead = "node1.example.com", "dead.example.com"
	dns.Set(name, lab.Address4(1))
	for node, host := range map[int]string{1: name, 2: dead} {
		if err := c.SetEndpoint(ctx, node, host+":55820"); err != nil {
			t.Fatal(err)
		}
	}
	settle(ctx, t, c)
	eventually(ctx, t, time.Minute, "the name is known", func(context.Context) error {
		if dns.Asked(name) == 0 {
			return errors.New("nobody asks")
		}
		return nil
	})
	moved := netip.MustParseAddr("203.0.113.101")
	hub := c.Lab.Node(1)
	if err := hub.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	// As behind its workers' NAT boxes: the hub cannot make itself heard there.
	mustRun(ctx, t, hub, "sed", "-i", "/^Endpoint/d", "/etc/wireguard/wg0.conf")
	mustRun(ctx, t, hub, "ip", "-4", "address", "flush", "dev", "eth0")
	mustRun(ctx, t, hub, "ip", "address", "add", moved.String()+"/24", "dev", "eth0")
	mustRun(ctx, t, hub, "ip", "route", "replace", "default", "via", "203.0.113.254")
	dns.Set(name, moved)
	if err := hub.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	before := dns.Asked(name)
	took := eventually(ctx, t, 5*time.Minute, "the workers find the leader", func(ctx context.Context) error {
		for _, id := range []int{2, 3} {
			d, err := c.Lab.Node(id).WireGuard(ctx)
			found := func(p lab.Peer) bool { return p.Endpoint == moved.String()+":55820" }
			if err != nil || !slices.ContainsFunc(d.Peers, found) {
				return fmt.Errorf("node %d: %+v, %w", id, d.Peers, err)
			}
		}
		return nil
	})
	if took > 4*time.Minute {
		t.Errorf("found after %v", took)
	}
	for _, from := range []int{2, 3} {
		eventually(ctx, t, 20*time.Second, fmt.Sprintf("node %d reaches the leader", from), func(ctx context.Context) error {
			return pings(ctx, c.Lab.Node(from), c.VPNAddress(1).String())
		})
	}
	// Two types of records, on two nodes, a few times.
	if asked := dns.Asked(name) - before; asked > 24 {
		t.Errorf("asked for %s %d times", name, asked)
	}
	t.Logf("asked for %s %d times, for %s %d times", name, dns.Asked(name), dead, dns.Asked(dead))
	for _, n := range c.Lab.Nodes[1:] {
		conf, err := n.Conf()
		if err != nil || !slices.ContainsFunc(conf.Peers, func(p lab.Peer) bool { return p.Endpoint == moved.String()+":55820" }) {
			t.Errorf("wg0.conf of node %d: %+v, %v", n.ID, conf, err)
		}
	}
}
