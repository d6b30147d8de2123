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
)

// Hazard 6: a handshake that is lost because the new hub does not know a worker yet is
// repeated after five seconds only. Packets between all nodes go on through three
// switches, to nodes that never led and back.
func TestHazard06LostHandshake(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 4)
	settle(ctx, t, c)
	for _, id := range []int{3, 2, 1} {
		if err := c.SetEndpoint(ctx, id, c.Endpoint(id)); err != nil {
			t.Fatal(err)
		}
		probes := probe(ctx, t, c)
		if err := c.Promote(ctx, id); err != nil {
			t.Fatal(err)
		}
		settle(ctx, t, c)
		for _, p := range probes {
			silence, err := p.Stop()
			if err != nil || silence.Longest > lostHandshake {
				t.Errorf("node %d is to lead: no packet from node %d to node %d for %v, %v", id, p.From, p.To, silence.Longest, err)
			}
			t.Logf("%d of %d, silent for %v", silence.Answered, silence.Sent, silence.Longest)
		}
	}
}

// lostHandshake is less than the time after which WireGuard repeats a handshake, and
// more than a busy machine holds packets up.
const lostHandshake = 4500 * time.Millisecond

// probe sends packets from node 4, a worker all the time, to all others, and from
// node 2 to node 4, once the ways are open.
func probe(ctx context.Context, t *testing.T, c *lab.Cluster) []*lab.Prober {
	t.Helper()
	ways := [][2]int{{4, 1}, {4, 2}, {4, 3}, {2, 4}}
	probes := make([]*lab.Prober, 0, len(ways))
	for _, way := range ways {
		p, err := c.Lab.Node(way[0]).Probe(ctx, way[1], c.VPNAddress(way[1]))
		if err != nil {
			t.Fatal(err)
		}
		if err = p.Await(ctx, time.Now()); err != nil {
			t.Fatal(err)
		}
		probes = append(probes, p)
	}
	return probes
}

// Hazard 9: Redis does not replicate its users. The candidate has missed that a node and
// a module came, and is promoted as soon as its agent is back: both are let in, and the
// users that are each node's own are still that.
func TestHazard09UsersOnTheNewLeader(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := lab.NewCluster(newLab(ctx, t, lab.Config{Nodes: 4, Programs: programs(t)}))
	if err := c.Lab.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Create(ctx), c.Join(ctx, 2, 3)); err != nil {
		t.Fatal(err)
	}
	candidate := c.Lab.Node(3)
	own := mustCLI(ctx, t, candidate, "ACL", "GETUSER", "cluster")
	candidate.Service(lab.NodeAgent).Stop()
	mustCLI(ctx, t, c.Lab.Node(1), "ACL", "SETUSER", "module/mail1", "on", ">secret", "~module/mail1/*", "+@read", "+@connection")
	if err := errors.Join(c.Join(ctx, 4), c.SetEndpoint(ctx, 3, c.Endpoint(3))); err != nil {
		t.Fatal(err)
	}
	if users := mustCLI(ctx, t, candidate, "ACL", "USERS"); strings.Contains(users, "node/4") || strings.Contains(users, "module/mail1") {
		t.Fatalf("the candidate has missed nothing: %s", users)
	}
	eventually(ctx, t, settleTime, "the candidate has the data", func(ctx context.Context) error {
		role, err := candidate.Role(ctx)
		if err == nil && role.State != "connected" {
			err = fmt.Errorf("role %+v", role)
		}
		return err
	})
	if err := candidate.Service(lab.NodeAgent).Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c) // with the agents of nodes 2 and 4 at work for node 3
	for _, n := range c.Lab.Nodes {
		got := mustRun(ctx, t, n, "redis-cli", "--no-auth-warning", "--user", "module/mail1", "--pass", "secret", "PING")
		if got != "PONG" {
			t.Errorf("node %d says to the module: %s", n.ID, got)
		}
	}
	if now := mustCLI(ctx, t, candidate, "ACL", "GETUSER", "cluster"); now != own {
		t.Errorf("the new leader's own user was\n%s\nand is\n%s", own, now)
	}
}

func mustCLI(ctx context.Context, t *testing.T, n *lab.Node, args ...string) string {
	t.Helper()
	out, err := n.RedisCLI(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Hazard 10, the leader: its power is off, and switch-leader is typed into the two
// others, in either order. When it comes back, it believes that it leads, and harms
// nobody: the others stay, with what was written meanwhile. The same command makes it
// a worker, which has it, too.
func TestHazard10OldLeaderComesBack(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]int{
		"candidate first": {3, 1},
		"candidate last":  {1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, 4*time.Minute)
			c := newCluster(ctx, t, 3)
			settle(ctx, t, c)
			for _, id := range []int{2, 3} {
				if err := c.SetEndpoint(ctx, id, c.Endpoint(id)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Promote(ctx, 2); err != nil {
				t.Fatal(err)
			}
			settle(ctx, t, c)
			if err := c.Lab.Node(2).PowerOff(ctx); err != nil {
				t.Fatal(err)
			}
			for _, on := range order {
				began := time.Now()
				if err := c.SwitchLeader(ctx, on, 3); err != nil {
					t.Fatal(err)
				}
				t.Logf("switch-leader on node %d took %v", on, time.Since(began))
			}
			c.MoveTo(3)
			settle(ctx, t, c)
			if _, err := c.Lab.Node(3).RedisCLI(ctx, "SET", "hazard/10", "written meanwhile"); err != nil {
				t.Fatal(err)
			}
			oldLeaderComesBack(ctx, t, c, c.Lab.Node(2))
			if err := c.SwitchLeader(ctx, 2, 3); err != nil {
				t.Fatal(err)
			}
			settle(ctx, t, c)
			for _, n := range c.Lab.Nodes {
				if got, err := n.RedisCLI(ctx, "GET", "hazard/10"); err != nil || got != "written meanwhile" {
					t.Errorf("node %d has %q, %v", n.ID, got, err)
				}
			}
		})
	}
}

// oldLeaderComesBack boots the old leader, which still believes that it leads. It must not
// harm the others. What becomes of the node itself is only noted.
func oldLeaderComesBack(ctx context.Context, t *testing.T, c *lab.Cluster, old *lab.Node) {
	t.Helper()
	if err := old.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	for _, agent := range []string{"cluster", "node/" + strconv.Itoa(old.ID)} {
		err := lab.Until(ctx, 20*time.Millisecond, func(ctx context.Context) error { return old.Alive(ctx, agent) })
		if err != nil {
			t.Fatal(err)
		}
	}
	othersStay(ctx, t, c, old)
}

// oldWorkerIsBack waits until the agent of a node that has missed the switch has looked
// at its Redis, which follows a leader of old.
func oldWorkerIsBack(ctx context.Context, t *testing.T, c *lab.Cluster, n *lab.Node) {
	t.Helper()
	before := said(t, n, "not available, waiting for it")
	eventually(ctx, t, settleTime, "its agent finds no leader", func(context.Context) error {
		if said(t, n, "not available, waiting for it") == before {
			return errors.New(logsOf(t, n))
		}
		return nil
	})
	othersStay(ctx, t, c, n)
}

// othersStay checks that the cluster is as it should be but for one node.
func othersStay(ctx context.Context, t *testing.T, c *lab.Cluster, old *lab.Node) {
	t.Helper()
	e := c.Expect()
	e.On = slices.DeleteFunc(slices.Clone(e.On), func(id int) bool { return id == old.ID })
	views := slices.DeleteFunc(c.Views(ctx), func(v lab.View) bool { return v.Node == old.ID })
	if found := e.Check(views); len(found) > 0 {
		t.Errorf("node %d came back, and now:\n%s", old.ID, strings.Join(found, "\n"))
	}
	for _, r := range c.PingAll(ctx, 6*time.Second) {
		if r.Err != nil && r.From != old.ID && r.To != old.ID {
			t.Errorf("node %d came back, and node %d does not reach node %d: %v", old.ID, r.From, r.To, r.Err)
		}
	}
	for _, line := range c.Findings(ctx) {
		t.Logf("node %d is back: %s", old.ID, line)
	}
}

// Hazard 10, the workers: one is off during a switch, and comes back pointing at the
// old leader, to which it has no link any more: the others are not harmed, and
// switch-leader brings it home. The agent of another is away, and misses the event:
// its Redis hears of the new leader through the old one, and the node follows by itself.
func TestHazard10OffDuringASwitch(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 4)
	settle(ctx, t, c)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	worker := c.Lab.Node(4)
	agent := worker.Service(lab.NodeAgent)
	agent.Stop()
	if err := c.Lab.Node(2).PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, 20*time.Second, "the worker's Redis knows who leads", func(ctx context.Context) error {
		leader, err := worker.RedisCLI(ctx, "HGET", "cluster/environment", "NODE_ID")
		if err == nil && strings.TrimSpace(leader) != "3" {
			err = fmt.Errorf("it says %q", leader)
		}
		return err
	})
	if err := agent.Start(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	if err := c.Lab.Node(2).PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	oldWorkerIsBack(ctx, t, c, c.Lab.Node(2))
	if err := c.SwitchLeader(ctx, 2, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	if log := logsOf(t, worker); strings.Contains(log, "leader-changed") || !strings.Contains(log, "missed that node 3 leads") {
		t.Errorf("the worker did not miss the event, or does not say so:\n%s", log)
	}
}
