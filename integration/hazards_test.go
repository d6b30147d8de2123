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

// IPv6 destinations, on a worker and behind it, are reached from another worker: the
// hub, and the worker in front, pass the packets on.
func TestIPv6Destinations(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	const two, three, far = "2001:db8:f::2", "2001:db8:f::3", "2001:db8:f::33"
	mustRun(ctx, t, c.Lab.Node(2), "ip", "-6", "address", "add", two+"/128", "dev", "lo")
	mustRun(ctx, t, c.Lab.Node(3), "ip", "-6", "address", "add", three+"/128", "dev", "lo")
	behind(ctx, t, c.Lab.Node(3), far)
	add := []map[string]any{
		{"ip_address": two, "node_id": 2}, {"ip_address": three, "node_id": 3}, {"ip_address": far, "node_id": 3},
	}
	if got, err := c.Lab.Node(1).Call(ctx, "update-routes", map[string]any{"add": add}); err != nil || got.Code != 0 {
		t.Fatalf("update-routes: %+v, %v", got, err)
	}
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
}

// Hazard 3: at boot the agent is there before the network. What is reached directly
// must not have gone into the tunnel, for ever, when the network comes.
func TestHazard03BootBeforeNetwork(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	n := c.Lab.Node(3)
	// An address in the local network of node 3, and the leader's own there.
	const local = "203.0.113.77"
	add := []map[string]any{{"ip_address": local, "node_id": 2}, {"ip_address": lab.Address4(1).String(), "node_id": 2}}
	if got, err := c.Lab.Node(1).Call(ctx, "update-routes", map[string]any{"add": add}); err != nil || got.Code != 0 {
		t.Fatalf("update-routes: %+v, %v", got, err)
	}
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"address flush dev eth0", "link set eth0 down"} {
		mustRun(ctx, t, n, append([]string{"ip"}, strings.Fields(line)...)...)
	}
	if err := n.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, time.Minute, "the agent has looked", func(context.Context) error {
		if said(t, n, "no network address yet") == 0 {
			return errors.New(logsOf(t, n))
		}
		return nil
	})
	for _, line := range []string{
		"link set eth0 up",
		"address add " + lab.Address4(3).String() + "/24 dev eth0",
		"-6 address add " + lab.Address6(3).String() + "/64 dev eth0 nodad",
		"route add default via 203.0.113.254",
	} {
		mustRun(ctx, t, n, append([]string{"ip"}, strings.Fields(line)...)...)
	}
	eventually(ctx, t, 20*time.Second, "the node is online", func(ctx context.Context) error {
		return pings(ctx, n, c.VPNAddress(1).String())
	})
	routes := mustRun(ctx, t, n, "ip", "route", "show", "dev", "wg0")
	for _, address := range []string{local, lab.Address4(1).String()} {
		if strings.Contains(routes, address) {
			t.Errorf("%s is in the tunnel:\n%s", address, routes)
		}
	}
	if !strings.Contains(routes, "10.5.4.2") {
		t.Errorf("the routes are not complete:\n%s", routes)
	}
	settleVPNOf(ctx, t, c, 3)
}

// settleVPNOf waits until a node's Redis is in sync and all nodes reach it.
func settleVPNOf(ctx context.Context, t *testing.T, c *lab.Cluster, id int) {
	t.Helper()
	eventually(ctx, t, time.Minute, "all is well", func(ctx context.Context) error {
		role, err := c.Lab.Node(id).Role(ctx)
		if err == nil && role.State != "connected" {
			err = fmt.Errorf("role %+v", role)
		}
		if lost := lab.Unreached(c.PingAll(ctx, time.Second)); len(lost) > 0 {
			err = errors.Join(err, errors.New(strings.Join(lost, "\n")))
		}
		return err
	})
}

// Hazard 4: the leader gets another address, and its name follows. Nobody tells the
// workers.
func TestHazard04EndpointMoves(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 8*time.Minute)
	c := newCluster(ctx, t, 3)
	dns, err := c.Lab.StartDNS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if stopErr := dns.Stop(); stopErr != nil {
			t.Error(stopErr)
		}
	})
	const name, dead = "node1.example.com", "dead.example.com"
	dns.Set(name, lab.Address4(1))
	for node, host := range map[int]string{1: name, 2: dead} {
		if err = c.SetEndpoint(ctx, node, host+":55820"); err != nil {
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
	if err = hub.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	// As behind its workers' NAT boxes: the hub cannot make itself heard there.
	mustRun(ctx, t, hub, "sed", "-i", "/^Endpoint/d", "/etc/wireguard/wg0.conf")
	mustRun(ctx, t, hub, "ip", "-4", "address", "flush", "dev", "eth0")
	mustRun(ctx, t, hub, "ip", "address", "add", moved.String()+"/24", "dev", "eth0")
	mustRun(ctx, t, hub, "ip", "route", "replace", "default", "via", "203.0.113.254")
	dns.Set(name, moved)
	if err = hub.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	before := dns.Asked(name)
	took := eventually(ctx, t, 5*time.Minute, "the workers find the leader", func(ctx context.Context) error {
		for _, id := range []int{2, 3} {
			d, err := c.Lab.Node(id).WireGuard(ctx)
			if err != nil || len(d.Peers) != 1 || d.Peers[0].Endpoint != moved.String()+":55820" {
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
