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

// settleTime is how long a cluster may take to become what it should be.
const settleTime = 45 * time.Second

// settle waits for the cluster to be as expected, with all pings answered and all agents at
// work for the leader.
func settle(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := c.Settled(ctx); err != nil {
		t.Fatalf("the cluster does not settle:\n%v", err)
	}
	if lost := lab.Unreached(c.PingAll(ctx, 6*time.Second)); len(lost) > 0 {
		t.Fatal(strings.Join(lost, "\n"))
	}
	if err := c.AgentsAlive(ctx); err != nil {
		t.Fatalf("not all agents work for node %d:\n%v", c.Leader, err)
	}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	t.Logf("every node turned and reached every other %v after the command began", time.Since(began))

	for _, n := range c.Lab.Nodes {
		t.Logf("reboot of node %d", n.ID)
		if err := n.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		if err := n.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		settle(ctx, t, c)
	}
}

// A switch that was reported as done must be on the new leader's disk: the power fails,
// and after the boot it still leads.
func TestPromoteThenPowerCut(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 3)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	if err := c.Lab.Node(3).PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Lab.Node(3).PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
}

func TestPromoteThereAndBack(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 4)
	for _, id := range []int{3, 2, 1} {
		if err := c.SetEndpoint(ctx, id, c.Endpoint(id)); err != nil {
			t.Fatal(err)
		}
		if err := c.Promote(ctx, id); err != nil {
			t.Fatal(err)
		}
		settle(ctx, t, c)
	}
}

// A dead leader, which had been promoted: its power is off, and the command is typed into
// the two others, in either order. When it comes back, the same command makes it a worker.
func TestSwitchLeader(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]int{
		"candidate first": {3, 1},
		"candidate last":  {1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, 4*time.Minute)
			c := newCluster(ctx, t, 3)
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
			oldLeaderComesBack(ctx, t, c, c.Lab.Node(2))
			if err := c.SwitchLeader(ctx, 2, 3); err != nil {
				t.Fatal(err)
			}
			settle(ctx, t, c)
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
	e := c.Expect()
	e.On = slices.DeleteFunc([]int{1, 2, 3}, func(id int) bool { return id == old.ID })
	views := slices.DeleteFunc(c.Views(ctx), func(v lab.View) bool { return v.Node == old.ID })
	if found := e.Check(views); len(found) > 0 {
		t.Errorf("the old leader came back, and now:\n%s", strings.Join(found, "\n"))
	}
	for _, r := range c.PingAll(ctx, 6*time.Second) {
		if r.Err != nil && r.From != old.ID && r.To != old.ID {
			t.Errorf("the old leader came back, and node %d does not reach node %d: %v", r.From, r.To, r.Err)
		}
	}
	for _, line := range c.Findings(ctx) {
		t.Log("the old leader is back: ", line)
	}
}

// The candidate's agent dies in the middle of the switch. When it is back, its Redis may
// have become the master without it.
func TestPromoteWhileTheCandidatesAgentDies(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 3)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	agent := c.Lab.Node(3).Service(lab.NodeAgent)
	if err := agent.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	err := lab.Until(ctx, 20*time.Millisecond, func(ctx context.Context) error {
		role, err := c.Lab.Node(3).Role(ctx)
		if err == nil && !role.Master {
			err = errors.New("it is a replica")
		}
		return err
	})
	if err != nil {
		t.Fatalf("node 3 does not become master: %v", err)
	}
	if err := agent.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
}

// A worker whose agent is away misses the event of a switch. Its Redis hears of the new
// leader through the old one, and the node follows as soon as its agent is back.
func TestSwitchThatAWorkerMisses(t *testing.T) {
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
	if log := logsOf(t, worker); strings.Contains(log, "leader-changed") || !strings.Contains(log, "missed that node 3 leads") {
		t.Errorf("the worker did not miss the event, or does not say so:\n%s", log)
	}
}

// The leader is dead, and the command is typed into a worker long before it is typed into
// the candidate, whose records name the dead leader still. The worker stays turned,
// whatever makes its agent look again.
func TestSwitchAheadOfTheCandidate(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	worker := c.Lab.Node(2)
	eventually(ctx, t, 20*time.Second, "the endpoint has come", func(ctx context.Context) error {
		endpoint, err := worker.RedisCLI(ctx, "HGET", "node/3/vpn", "endpoint")
		if err == nil && !strings.Contains(endpoint, c.Endpoint(3)) {
			err = errors.New(endpoint)
		}
		return err
	})
	if err := c.Lab.Node(1).PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.SwitchLeader(ctx, 2, 3); err != nil {
		t.Fatal(err)
	}
	before := mustRun(ctx, t, worker, "wg", "show", "wg0", "allowed-ips")
	said := len(logsOf(t, worker))
	for _, cause := range [][]string{
		{"ip", "address", "add", "198.51.100.7/32", "dev", "lo"},
		{"ip", "link", "set", "eth0", "mtu", "1400"},
	} {
		mustRun(ctx, t, worker, cause...)
		calm(ctx, t, []*lab.Node{worker})
		if after := mustRun(ctx, t, worker, "wg", "show", "wg0", "allowed-ips"); after != before {
			t.Errorf("%v: the worker turned from\n%sto\n%s", cause, before, after)
		}
	}
	if log := logsOf(t, worker)[said:]; strings.Contains(log, "VPN: ") {
		t.Errorf("the worker changed its VPN:\n%s", log)
	}
	if err := c.SwitchLeader(ctx, 3, 3); err != nil {
		t.Fatal(err)
	}
	c.MoveTo(3)
	settle(ctx, t, c)
}
