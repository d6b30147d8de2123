package integration

import (
	"context"
	"encoding/json"
	"errors"
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
	ctx, cancel := context.WithTimeout(ctx, patience(settleTime))
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

// announce tells all nodes that a node is to lead, as promote-node does when all is well: in
// an epoch, or in none, as other implementations do.
func announce(ctx context.Context, t *testing.T, c *lab.Cluster, node int, epoch int64) {
	t.Helper()
	payload := map[string]any{"node_id": node, "endpoint": c.Endpoint(node)}
	if epoch > 0 {
		payload["epoch"] = epoch
	}
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	mustCLI(ctx, t, c.Lab.Node(c.Leader), "PUBLISH", "cluster/event/leader-changed", string(text))
	c.MoveTo(node)
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
	announce(ctx, t, c, 3, 2)
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
		// Full packets of wg0 are larger: a veth drops those that come, and no data would come from node 3.
		{"ip", "link", "set", "eth0", "mtu", "1500"},
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
	takeOver(ctx, t, c, 3)
	settle(ctx, t, c)
}

// The candidate's node agent is away during the switch. Back again, it sees to it that the
// records name the new leader, and that the switch outlives a power cut.
func TestPromoteThatTheCandidateMisses(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	candidate := c.Lab.Node(3)
	candidate.Service(lab.NodeAgent).Stop()
	announce(ctx, t, c, 3, 2)
	eventually(ctx, t, 30*time.Second, "the candidate is the master, and nobody has written that it leads", func(ctx context.Context) error {
		role, err := candidate.Role(ctx)
		if err == nil && !role.Master {
			err = errors.New("it is a replica")
		}
		return err
	})
	if leader := mustCLI(ctx, t, candidate, "HGET", "cluster/environment", "NODE_ID"); strings.TrimSpace(leader) != "1" {
		t.Errorf("the records name node %q", leader)
	}
	if err := candidate.Service(lab.NodeAgent).Start(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	if err := candidate.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := candidate.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
}
