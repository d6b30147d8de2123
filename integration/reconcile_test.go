package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/internal/cluster"
)

// keptFiles are what a node agent writes, and must not write without need.
func keptFiles() []string {
	return []string{
		"/etc/wireguard/wg0.conf", "/etc/hosts", "/etc/redis/users.acl", "/etc/redis/redis.conf",
		"/var/lib/nethserver/node/state/vpn-peers", "/var/lib/nethserver/node/state/membership.json",
		"/var/lib/nethserver/node/state/environment",
	}
}

// footprint is all that a run which changes something would leave on a node: when its
// files were written, what its agent has said.
func footprint(ctx context.Context, t *testing.T, n *lab.Node) string {
	t.Helper()
	files := mustRun(ctx, t, n, append([]string{"stat", "-c", "%n %i %Y %Z %a"}, keptFiles()...)...)
	return files + "\n" + logsOf(t, n)
}

// logsOf is what a node's agent has said.
func logsOf(t *testing.T, n *lab.Node) string {
	t.Helper()
	text, err := n.Service(lab.NodeAgent).Log()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// eventually waits until a condition holds, and tells how long that took.
func eventually(ctx context.Context, t *testing.T, within time.Duration, what string, holds func(context.Context) error) time.Duration {
	t.Helper()
	began, within := time.Now(), patience(within)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := lab.Until(ctx, 20*time.Millisecond, holds); err != nil {
		t.Fatalf("%s: not within %v: %v", what, within, err)
	}
	took := time.Since(began)
	t.Logf("%s: after %v", what, took.Round(time.Millisecond))
	return took
}

// calm waits until the nodes have left no new traces for a while.
func calm(ctx context.Context, t *testing.T, nodes []*lab.Node) {
	t.Helper()
	before, since := "", time.Now()
	eventually(ctx, t, time.Minute, "all is calm", func(context.Context) error {
		var now strings.Builder
		for _, n := range nodes {
			now.WriteString(logsOf(t, n))
		}
		if now.String() != before {
			before, since = now.String(), time.Now()
		}
		if time.Since(since) < 3*time.Second {
			return errors.New("the agents say something")
		}
		return nil
	})
}

// A cluster that is as it should be is left alone: no packet to the kernel that
// changes something, no file, no line in a log, in more than a round of the loop.
func TestUnchangedNodesAreLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	calm(ctx, t, c.Lab.Nodes)
	before := map[int]string{}
	heard := make(chan string, len(c.Lab.Nodes))
	for _, n := range c.Lab.Nodes {
		before[n.ID] = footprint(ctx, t, n)
		go func() {
			got, err := n.Exec(ctx, "timeout", "40", "ip", "monitor", "link", "address", "route")
			heard <- fmt.Sprintf("%s%s%v", got.Stdout, got.Stderr, err)
		}()
	}
	for range c.Lab.Nodes {
		if changes := <-heard; changes != "<nil>" {
			t.Errorf("the kernel tells of changes:\n%s", changes)
		}
	}
	for _, n := range c.Lab.Nodes {
		if after := footprint(ctx, t, n); after != before[n.ID] {
			t.Errorf("node %d has changed from\n%s\nto\n%s", n.ID, before[n.ID], after)
		}
	}
}

// wg0 is deleted, or set down, under the agent's feet: on a worker and on the hub.
func TestInterfaceComesBack(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	// The hub has to have looked where its workers are, as it does all the time.
	if _, err := c.Lab.Node(1).RedisCLI(ctx, "PUBLISH", "cluster/event/vpn-changed", "{}"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int{2, 1} {
		n := c.Lab.Node(id)
		for _, harm := range [][]string{
			{"ip", "link", "delete", "wg0"},
			{"ip", "link", "set", "wg0", "down"},
			{"wg-quick", "down", "wg0"},
			{"ip", "route", "flush", "dev", "wg0"},
		} {
			calm(ctx, t, c.Lab.Nodes)
			mustRun(ctx, t, n, harm...)
			what := fmt.Sprintf("node %d: %s", id, strings.Join(harm, " "))
			took := eventually(ctx, t, 20*time.Second, what, func(ctx context.Context) error {
				e := c.Expect()
				views := slices.DeleteFunc(c.Views(ctx), func(v lab.View) bool { return v.Node != id })
				if found := e.Check(views); len(found) > 0 {
					return errors.New(strings.Join(found, "\n"))
				}
				_, err := n.Ping(ctx, c.VPNAddress(3).String(), time.Second)
				return err
			})
			if took > patience(8*time.Second) {
				t.Errorf("%s: back only after %v", what, took)
			}
		}
		settle(ctx, t, c)
	}
}

func TestConfComesBack(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	for _, id := range []int{1, 2} {
		n := c.Lab.Node(id)
		mustRun(ctx, t, n, "rm", "/etc/wireguard/wg0.conf")
		eventually(ctx, t, 40*time.Second, "wg0.conf is written again", func(context.Context) error {
			_, err := n.Conf()
			return err
		})
		// From it alone wg0 comes back, without the agent.
		n.Service(lab.NodeAgent).Stop()
		mustRun(ctx, t, n, "wg-quick", "down", "wg0")
		mustRun(ctx, t, n, "wg-quick", "up", "wg0")
		settleVPN(ctx, t, c)
		if err := n.Service(lab.NodeAgent).Start(ctx); err != nil {
			t.Fatal(err)
		}
		settle(ctx, t, c)
	}
}

// settleVPN is settle for a cluster some agents of which are off.
func settleVPN(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := c.Settled(ctx); err != nil {
		t.Fatalf("the cluster does not settle:\n%v", err)
	}
	if lost := lab.Unreached(c.PingAll(ctx, deafTime)); len(lost) > 0 {
		t.Fatal(strings.Join(lost, "\n"))
	}
}

// deafTime is for how long two nodes may not hear each other that began a handshake in the
// same moment, with no agent to notice: WireGuard does so after 15 seconds, and may have to
// repeat the handshake after 5.
const deafTime = 21 * time.Second

// laptopKey is the key of an administrator's own peer.
const laptopKey = "jNQKmw+IF4llmxbT8tRhfZpvHqGvrU8bV0yHqAwqFWg="

// Hazard 5: what an administrator put beside the cluster's survives everything;
// what a removed node leaves goes, also if the file that tells whose it was is lost.
func TestHazard05OthersPeersAndRoutes(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 4)
	settle(ctx, t, c)
	hub := c.Lab.Node(1)
	mustRun(ctx, t, hub, "wg", "set", "wg0", "peer", laptopKey, "allowed-ips", "172.16.0.2/32,172.17.0.0/16")
	mustRun(ctx, t, hub, "ip", "route", "add", "172.17.0.0/16", "dev", "wg0")
	removed := map[int]string{}
	for key, id := range c.Expect().Keys {
		removed[id] = key
	}
	for _, harm := range []struct {
		id int
		do string
	}{
		{3, "wg-quick save wg0"},
		{4, "rm /etc/wireguard/wg0.conf"},
	} {
		agent := hub.Service(lab.NodeAgent)
		agent.Stop()
		mustRun(ctx, t, hub, "sh", "-c", harm.do)
		if _, err := hub.Call(ctx, "remove-node", map[string]any{"node_id": harm.id}); err != nil {
			t.Fatal(err)
		}
		if err := agent.Start(ctx); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, 20*time.Second, harm.do+": the removed node's peer goes", func(ctx context.Context) error {
			shown := mustRun(ctx, t, hub, "sh", "-c", "wg show wg0 dump; ip route show dev wg0; cat /etc/wireguard/wg0.conf || true")
			if strings.Contains(shown, removed[harm.id]) || strings.Contains(shown, c.VPNAddress(harm.id).String()+" ") {
				return errors.New(shown)
			}
			return nil
		})
		shown := mustRun(ctx, t, hub, "sh", "-c", "wg show wg0 dump; ip route show dev wg0")
		for _, want := range []string{laptopKey, "172.16.0.2/32", "172.17.0.0/16", "172.17.0.0/16 scope link"} {
			if !strings.Contains(shown, want) {
				t.Errorf("after %s: %q is gone:\n%s", harm.do, want, shown)
			}
		}
		c.Members = slices.DeleteFunc(c.Members, func(id int) bool { return id == harm.id })
	}
	if _, err := hub.Ping(ctx, c.VPNAddress(2).String(), 6*time.Second); err != nil {
		t.Error(err)
	}
}

// A Redis that was started while wg0 was away listens again on the VPN address.
func TestRedisListensAgain(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	for _, id := range []int{2, 1} {
		n := c.Lab.Node(id)
		agent, redis := n.Service(lab.NodeAgent), n.Service(lab.Redis)
		agent.Stop()
		mustRun(ctx, t, n, "wg-quick", "down", "wg0")
		redis.Stop()
		if err := redis.Start(ctx); err != nil {
			t.Fatal(err)
		}
		address := c.VPNAddress(id).String()
		mustRun(ctx, t, n, "wg-quick", "up", "wg0")
		if got := mustRun(ctx, t, n, "sh", "-c", "redis-cli -h "+address+" ping 2>&1 || true"); !strings.Contains(got, "refused") {
			t.Errorf("node %d: the test is none: Redis says %s", id, got)
		}
		if err := agent.Start(ctx); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, 20*time.Second, "Redis listens again", func(ctx context.Context) error {
			got, err := c.Lab.Node(3).Run(ctx, "redis-cli", "-h", address, "ping")
			if err == nil && strings.TrimSpace(got) != "PONG" {
				err = errors.New(got)
			}
			return err
		})
		settle(ctx, t, c)
	}
}

// silent is nil for a node that has no way to send to the cluster's nodes.
func silent(ctx context.Context, n *lab.Node) error {
	d, err := n.WireGuard(ctx)
	if err != nil {
		return err
	}
	for _, p := range d.Peers {
		if p.Endpoint != "" || p.Keepalive != 0 {
			return fmt.Errorf("peer %+v", p)
		}
	}
	return nil
}

// sent is how many bytes the node's eth0 has sent to the WireGuard port, by a
// counter that countSent has made.
func sent(ctx context.Context, t *testing.T, n *lab.Node) string {
	t.Helper()
	rules := mustRun(ctx, t, n, "nft", "list", "table", "inet", "count")
	_, counter, found := strings.Cut(rules, "counter packets ")
	if !found {
		t.Fatalf("no counter in\n%s", rules)
	}
	packets, _, _ := strings.Cut(counter, " ")
	return packets
}

func countSent(ctx context.Context, t *testing.T, n *lab.Node) {
	t.Helper()
	rules := "table inet count {\nchain out {\ntype filter hook postrouting priority 0;\nudp dport " +
		strconv.Itoa(lab.WireGuardPort) + " counter\n}\n}\n"
	if _, err := n.RunInput(ctx, strings.NewReader(rules), "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// said counts the lines of a node agent's log that hold a text.
func said(t *testing.T, n *lab.Node, text string) int {
	t.Helper()
	return strings.Count(logsOf(t, n), text)
}

// A removed node finds out, stops sending, says so once, and keeps what it has.
func TestRemovedNodeIsSilent(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	hub, n := c.Lab.Node(1), c.Lab.Node(3)
	calm(ctx, t, c.Lab.Nodes)
	conf, err := n.ReadFile("/etc/wireguard/wg0.conf")
	if err != nil {
		t.Fatal(err)
	}
	record, err := hub.PublicDB().HGetAll(ctx, "node/3/vpn").Result()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Call(ctx, "remove-node", map[string]any{"node_id": 3}); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, 30*time.Second, "the node is silent", func(ctx context.Context) error { return silent(ctx, n) })
	c.Members = []int{1, 2}
	settle(ctx, t, c)
	countSent(ctx, t, n)
	calm(ctx, t, c.Lab.Nodes)
	if after, err := n.ReadFile("/etc/wireguard/wg0.conf"); err != nil || after != conf {
		t.Errorf("wg0.conf was\n%s\nand is (%v)\n%s", conf, err, after)
	}
	// Longer than a round of the loop, while its Redis tries to connect each second.
	if _, err := n.Exec(ctx, "sleep", "35"); err != nil {
		t.Fatal(err)
	}
	if packets := sent(ctx, t, n); packets != "0" {
		t.Errorf("it has sent %s packets", packets)
	}
	if lines := said(t, n, "has been removed from the cluster"); lines != 1 {
		t.Errorf("said %d times:\n%s", lines, logsOf(t, n))
	}
	comesBack(ctx, t, c, record)
}

// comesBack gives node 3 its record and user again, and starts its agent anew.
func comesBack(ctx context.Context, t *testing.T, c *lab.Cluster, record map[string]string) {
	t.Helper()
	hub, n := c.Lab.Node(1), c.Lab.Node(3)
	db, err := hub.DB()
	if err != nil {
		t.Fatal(err)
	}
	if err = db.HSet(ctx, "node/3/vpn", record).Err(); err != nil {
		t.Fatal(err)
	}
	restoreUser(ctx, t, c)
	if _, err := hub.RedisCLI(ctx, "PUBLISH", "cluster/event/vpn-changed", "{}"); err != nil {
		t.Fatal(err)
	}
	if err := n.Service(lab.NodeAgent).Restart(ctx); err != nil {
		t.Fatal(err)
	}
	c.Members = []int{1, 2, 3}
	settle(ctx, t, c)
	// Its first question has made wg0 speak again; what comes of that may not be judged yet.
	eventually(ctx, t, settleTime, "the node says that it is back", func(context.Context) error {
		if lines := said(t, n, "knows this node, 3, again"); lines != 1 {
			return fmt.Errorf("said %d times:\n%s", lines, logsOf(t, n))
		}
		return nil
	})
}

// restoreUser gives the leader the user node/3 again.
func restoreUser(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	hub, n := c.Lab.Node(1), c.Lab.Node(3)
	hash := mustRun(ctx, t, n, "sh", "-c", `agent join-request | sed 's/.*"node_pwh":"\([0-9a-f]*\)".*/\1/'`)
	if _, err := hub.RedisCLI(ctx, append([]string{"ACL", "SETUSER", "node/3"}, cluster.UserRules(3, strings.TrimSpace(hash))...)...); err != nil {
		t.Fatal(err)
	}
}

// A node whose user is lost on the leader is not stopped at once, asks now and then
// when it is, and comes back by itself.
func TestRefusedNodeComesBack(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 8*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	hub, n := c.Lab.Node(1), c.Lab.Node(3)
	if _, err := hub.RedisCLI(ctx, "ACL", "DELUSER", "node/3"); err != nil {
		t.Fatal(err)
	}
	took := eventually(ctx, t, 3*time.Minute, "the node is silent", func(ctx context.Context) error { return silent(ctx, n) })
	if took < time.Minute {
		t.Errorf("silent after %v", took)
	}
	if lines := said(t, n, "refuses this node's password"); lines != 1 {
		t.Errorf("said %d times:\n%s", lines, logsOf(t, n))
	}
	restoreUser(ctx, t, c)
	eventually(ctx, t, 3*time.Minute, "the node has come back", func(context.Context) error {
		if said(t, n, "knows this node, 3, again") == 0 {
			return errors.New("it is silent")
		}
		return nil
	})
	settle(ctx, t, c)
}

// Hazard 15: a join that is cut off in the middle, and a node that was removed, join
// again, although their Redis takes no tasks.
func TestHazard15JoinAgain(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 6*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	hub, n := c.Lab.Node(1), c.Lab.Node(3)
	if _, err := hub.Call(ctx, "remove-node", map[string]any{"node_id": 3}); err != nil {
		t.Fatal(err)
	}
	invitation := invite(ctx, t, c, n)
	if !strings.Contains(invitation, `"node_id":4`) {
		t.Errorf("invited as %s", invitation)
	}
	if got, err := n.Exec(ctx, "api-cli", "run", "join-node", "--data", invitation); err != nil || got.Code == 0 {
		t.Errorf("a replica took a task: %+v, %v", got, err)
	}
	// Cut off while the data come: its Redis is a replica then.
	cut := "agent join-node --data '" + invitation + "' | grep -m1 copy"
	if got := mustRun(ctx, t, n, "sh", "-c", cut); !strings.Contains(got, "copy") {
		t.Errorf("it was cut off elsewhere: %s", got)
	}
	t.Log(mustRun(ctx, t, n, "agent", "join-node", "--data", invitation))
	joined(ctx, t, c, n, 4)

	// The same machine once more, as it is: the leader gives the same answer.
	t.Log(mustRun(ctx, t, n, "agent", "join-node", "--data", invitation))
	joined(ctx, t, c, n, 4)
	if got, err := hub.Exec(ctx, "agent", "join-node", "--data", invitation); err != nil || got.Code != 1 || !strings.Contains(got.Stderr, "leads a cluster") {
		t.Errorf("the leader joins: %+v, %v", got, err)
	}
}

// invite asks the leader to take a node.
func invite(ctx context.Context, t *testing.T, c *lab.Cluster, n *lab.Node) string {
	t.Helper()
	request := mustRun(ctx, t, n, "agent", "join-request")
	return mustRun(ctx, t, c.Lab.Node(c.Leader), "api-cli", "run", "add-node", "--data", request)
}

// joined waits until the machine is the node with this id in all respects. The lab's
// own checks know it only by its first id.
func joined(ctx context.Context, t *testing.T, c *lab.Cluster, n *lab.Node, id int) {
	t.Helper()
	address := c.VPNAddress(id).String()
	eventually(ctx, t, time.Minute, "joined", func(ctx context.Context) error {
		role, err := n.Role(ctx)
		if err != nil {
			return err
		}
		addresses := mustRun(ctx, t, n, "ip", "-4", "-o", "address", "show", "dev", "wg0")
		if role.State != "connected" || strings.Count(addresses, "inet ") != 1 || !strings.Contains(addresses, address+"/") {
			return fmt.Errorf("role %+v, addresses %s", role, addresses)
		}
		return errors.Join(c.Lab.Node(1).Alive(ctx, "node/"+strconv.Itoa(id)), pings(ctx, n, c.VPNAddress(2).String()), pings(ctx, c.Lab.Node(2), address))
	})
	shown := mustRun(ctx, t, c.Lab.Node(1), "wg", "show", "wg0", "allowed-ips")
	if strings.Count(shown, "\n") != 1 || !strings.Contains(shown, address+"/32") {
		t.Errorf("the hub's peers:\n%s", shown)
	}
}

func pings(ctx context.Context, n *lab.Node, address string) error {
	_, err := n.Ping(ctx, address, time.Second)
	return err
}
