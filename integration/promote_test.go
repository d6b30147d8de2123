package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/worker"
)

// stateOf is what a promotion may change in a cluster: what each node's wg0, its file, its
// routes, its hosts and its Redis say.
func stateOf(ctx context.Context, t *testing.T, c *lab.Cluster) string {
	t.Helper()
	var state strings.Builder
	for _, id := range c.On() {
		n := c.Lab.Node(id)
		fmt.Fprintf(&state, "node %d\n", id)
		for _, command := range [][]string{
			{"wg", "show", "wg0", "allowed-ips"},
			{"wg", "show", "wg0", "endpoints"},
			{"wg", "show", "wg0", "persistent-keepalive"},
			{"ip", "route", "show", "dev", "wg0"},
			{"cat", "/etc/wireguard/wg0.conf"},
			{"cat", "/etc/hosts"},
		} {
			lines := strings.Split(mustRun(ctx, t, n, command...), "\n")
			if command[0] == "wg" { // in no order
				slices.Sort(lines)
			}
			fmt.Fprintln(&state, strings.Join(lines, "\n"))
		}
		role, err := n.Role(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&state, role.Master, role.Host)
		for _, key := range []string{"cluster/environment", "cluster/leadership", "node/1/vpn", "node/2/vpn", "node/3/vpn", "node/4/vpn"} {
			fmt.Fprintln(&state, key, mustCLI(ctx, t, n, "HGETALL", key))
		}
	}
	return state.String()
}

// promoteResult is promote-node, which may be refused, with more input.
func promoteResult(ctx context.Context, t *testing.T, c *lab.Cluster, node int, more map[string]any) lab.Result {
	t.Helper()
	input := lab.PromoteInput(node, c.Outside(node).String())
	maps.Copy(input, more)
	result, err := c.Lab.Node(c.Leader).Call(ctx, "promote-node", input)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// check is what a dry run says of one.
type check struct {
	Name, Error, Detail string
	OK, Verified        bool
}

func dryRun(ctx context.Context, t *testing.T, c *lab.Cluster, node int) map[string]check {
	t.Helper()
	result := promoteResult(ctx, t, c, node, map[string]any{"dry_run": true})
	var list []check
	if err := json.Unmarshal([]byte(result.Stdout), &list); err != nil || result.Code != 0 {
		t.Fatalf("dry run: exit code %d, %v\n%s%s", result.Code, err, result.Stdout, result.Stderr)
	}
	found := map[string]check{}
	for _, c := range list {
		found[c.Name] = c
	}
	return found
}

// A dry run makes all checks, over WireGuard too, and leaves no trace. The promotion that it
// has promised comes about, and is verified by the new leader, node by node.
func TestPromoteDryRun(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 4)
	settle(ctx, t, c)
	before := stateOf(ctx, t, c)
	probes := probe(ctx, t, c)
	found := dryRun(ctx, t, c, 3)
	for name, check := range found {
		t.Logf("%s: %s", name, check.Detail)
		if !check.OK || !check.Verified {
			t.Errorf("%s: %+v", name, check)
		}
	}
	for _, id := range []int{2, 4} {
		if want := fmt.Sprintf("node %d has a handshake with it at %s", id, c.Endpoint(3)); !strings.Contains(found["links"].Detail, want) {
			t.Errorf("links: %s\ndo not say: %s", found["links"].Detail, want)
		}
	}
	if after := stateOf(ctx, t, c); after != before {
		t.Errorf("a dry run changes\n%s\nto\n%s", before, after)
	}
	for _, p := range probes {
		if silence, err := p.Stop(); err != nil || silence.Longest > lostHandshake {
			t.Errorf("no packet from node %d to node %d for %v, %v", p.From, p.To, silence.Longest, err)
		}
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	eventually(ctx, t, settleTime, "the new leader says that all follow", func(context.Context) error {
		if log := logsOf(t, c.Lab.Node(3)); !strings.Contains(log, "all other nodes, 3, follow this one") {
			return errors.New(log)
		}
		return nil
	})
}

// Each check that fails ends the promotion with an error of its own, and all is as before.
func TestPromoteIsRefused(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 4)
	settle(ctx, t, c)
	leader, candidate := c.Lab.Node(1), c.Lab.Node(3)
	before := stateOf(ctx, t, c)
	refused := func(what string, code int, name string, words ...string) {
		t.Helper()
		result := promoteResult(ctx, t, c, 3, nil)
		var violations []worker.Violation
		err := json.Unmarshal([]byte(result.Stdout), &violations)
		if err != nil || result.Code != code || len(violations) != 1 || violations[0].Error != name {
			t.Errorf("%s: exit code %d, %s, want %d, %s\n%s", what, result.Code, result.Stdout, code, name, result.Stderr)
		}
		for _, word := range words {
			if !strings.Contains(result.Stderr, word) {
				t.Errorf("%s: the words do not say %q:\n%s", what, word, result.Stderr)
			}
		}
	}
	asBefore := func(what string) {
		t.Helper()
		eventually(ctx, t, settleTime, "after "+what+", all is as before", func(ctx context.Context) error {
			if now := stateOf(ctx, t, c); now != before {
				return errors.New(now)
			}
			return nil
		})
	}

	result := promoteResult(ctx, t, c, 3, map[string]any{"endpoint_address": "192.0.2.99"})
	if result.Code != 4 || !strings.Contains(result.Stdout, "endpoint_address_not_reachable") {
		t.Errorf("another endpoint: %d, %s", result.Code, result.Stdout)
	}
	asBefore("another endpoint")

	candidate.Service(lab.NodeAgent).Stop()
	refused("without its agent", 6, "node_agent_not_alive", "service agent@node")
	if err := candidate.Service(lab.NodeAgent).Start(ctx); err != nil {
		t.Fatal(err)
	}
	asBefore("an agent that was away")

	redis := candidate.Service(lab.Redis)
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	mustCLI(ctx, t, leader, "EVAL", "return redis.call('SET', 'large', string.rep('x', 4000000))", "0")
	refused("behind", 5, "node_replica_not_found", "bytes behind, and acknowledged last")
	if err := redis.Continue(); err != nil {
		t.Fatal(err)
	}
	mustCLI(ctx, t, leader, "DEL", "large")
	asBefore("a replica that was behind")

	password := strings.Fields(mustCLI(ctx, t, leader, "CONFIG", "GET", "masterauth"))
	mustCLI(ctx, t, leader, "CONFIG", "SET", "masterauth", "another")
	refused("with a user that is not let in", 7, "node_users_incomplete", "could not follow node 3")
	mustCLI(ctx, t, leader, "CONFIG", "SET", "masterauth", password[len(password)-1])
	asBefore("a wrong password")

	if err := errors.Join(candidate.Block(ctx, 4), c.Lab.Node(4).Block(ctx, 3)); err != nil {
		t.Fatal(err)
	}
	refused("without a way from node 4", 32, "node_vpn_not_reachable", "node 4: ", "UDP port 55820 is open at node 3")
	if links := dryRun(ctx, t, c, 3)["links"]; links.OK || links.Error != "node_vpn_not_reachable" {
		t.Errorf("a dry run says of the links: %+v", links)
	}
	asBefore("a way that was blocked")
	if err := errors.Join(candidate.Block(ctx), c.Lab.Node(4).Block(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
}

// leadershipOf is what a node's Redis says: epoch and node.
func leadershipOf(ctx context.Context, t *testing.T, n *lab.Node) string {
	t.Helper()
	return strings.Join(strings.Fields(mustCLI(ctx, t, n, "HMGET", "cluster/leadership", "epoch", "node_id")), " ")
}

func wantLeadership(ctx context.Context, t *testing.T, c *lab.Cluster, want string) {
	t.Helper()
	for _, id := range c.On() {
		eventually(ctx, t, settleTime, fmt.Sprintf("node %d has epoch and leader %s", id, want), func(ctx context.Context) error {
			if got := leadershipOf(ctx, t, c.Lab.Node(id)); got != want {
				return fmt.Errorf("it has %s", got)
			}
			return nil
		})
	}
}

// Each switch raises the epoch. What was announced in an earlier one is refused by all;
// what another implementation announces, in none, is obeyed.
func TestSwitchRaisesTheEpoch(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	wantLeadership(ctx, t, c, "1 1")
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	wantLeadership(ctx, t, c, "2 3")

	before := stateOf(ctx, t, c)
	for _, epoch := range []int64{1, 2} {
		announce(ctx, t, c, 1, epoch)
		c.MoveTo(3)
		for _, n := range c.Lab.Nodes {
			eventually(ctx, t, settleTime, fmt.Sprintf("node %d refuses epoch %d", n.ID, epoch), func(context.Context) error {
				if want := fmt.Sprintf("it is out of date: that was to be epoch %d", epoch); !strings.Contains(logsOf(t, n), want) {
					return errors.New(logsOf(t, n))
				}
				return nil
			})
		}
	}
	if after := stateOf(ctx, t, c); after != before {
		t.Errorf("an announcement that is out of date changes\n%s\nto\n%s", before, after)
	}

	announce(ctx, t, c, 1, 0)
	settle(ctx, t, c)
	wantLeadership(ctx, t, c, "3 1")

	if err := c.Lab.Node(1).PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	takeOver(ctx, t, c, 3, 2)
	settle(ctx, t, c)
	wantLeadership(ctx, t, c, "4 3")
}

// The candidate's Redis hangs when it is to take over. The old leader leads on, and all is
// as before; the next promotion, which begins the same epoch, comes about.
func TestPromoteWhileTheCandidatesRedisHangs(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	before := stateOf(ctx, t, c)
	redis := c.Lab.Node(3).Service(lab.Redis)
	// As when it hangs between the checks and the announcement.
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	announce(ctx, t, c, 3, 2)
	c.MoveTo(1)
	eventually(ctx, t, time.Minute, "the old leader has given up", func(context.Context) error {
		if log := logsOf(t, c.Lab.Node(1)); !strings.Contains(log, "this Redis is still the master") {
			return errors.New(log)
		}
		return nil
	})
	if err := redis.Continue(); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	eventually(ctx, t, settleTime, "all is as before", func(ctx context.Context) error {
		if now := stateOf(ctx, t, c); now != before {
			return errors.New(now)
		}
		return nil
	})
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	wantLeadership(ctx, t, c, "2 3")
}
