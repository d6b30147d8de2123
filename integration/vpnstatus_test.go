package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
)

// vpnStatusTime is more than vpn-status may take, whatever does not answer, on a busy
// machine.
const vpnStatusTime = 10 * time.Second

// vpnStatus is what vpn-status says on a node.
type vpnStatus struct {
	lab.Result

	took time.Duration
}

func askStatus(ctx context.Context, t *testing.T, n *lab.Node, flags ...string) vpnStatus {
	t.Helper()
	began := time.Now()
	result, err := n.Exec(ctx, append([]string{"vpn-status"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	return vpnStatus{result, time.Since(began)}
}

// says is nil if the status has each of some texts, and the exit code that goes with it.
func (s vpnStatus) says(code int, texts ...string) error {
	var errs []error
	if s.Code != code || s.Stderr != "" {
		errs = append(errs, fmt.Errorf("exit code %d, not %d; stderr %q", s.Code, code, s.Stderr))
	}
	if s.took > vpnStatusTime {
		errs = append(errs, fmt.Errorf("it took %v", s.took))
	}
	for _, text := range texts {
		if !strings.Contains(s.Stdout, text) {
			errs = append(errs, fmt.Errorf("it does not say %q", text))
		}
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New(s.Stdout))
	}
	return errors.Join(errs...)
}

// awaitStatus waits until a node says some texts.
func awaitStatus(ctx context.Context, t *testing.T, n *lab.Node, code int, texts ...string) {
	t.Helper()
	waiting, cancel := context.WithTimeout(ctx, patience(settleTime))
	defer cancel()
	err := lab.Until(waiting, 100*time.Millisecond, func(context.Context) error {
		return askStatus(ctx, t, n).says(code, texts...)
	})
	if err != nil {
		t.Fatalf("vpn-status on node %d: %v", n.ID, err)
	}
}

// breakage is something that goes wrong, and what is said of it.
type breakage struct {
	name  string
	spoil func(ctx context.Context) error
	on    int // the node that is asked
	says  []string
	mend  func(ctx context.Context) error
}

func breakages(c *lab.Cluster) []breakage {
	leader, worker, other := c.Lab.Node(1), c.Lab.Node(2), c.Lab.Node(3)
	stop := func(s *lab.Service) func(context.Context) error {
		return func(context.Context) error { s.Stop(); return nil }
	}
	run := func(n *lab.Node, argv ...string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := n.Run(ctx, argv...); return err }
	}
	endpoint := func(text string) func(context.Context) error {
		return func(ctx context.Context) error { return c.SetEndpoint(ctx, 3, text) }
	}
	agent, redis, leadersRedis := worker.Service(lab.NodeAgent), worker.Service(lab.Redis), leader.Service(lab.Redis)
	return []breakage{
		{
			"agent of a worker, seen there", stop(agent), 2,
			[]string{"this node: agent node/2 is not connected to Redis here; check it with systemctl status agent@node"},
			nil,
		},
		{"and on the leader", nil, 1, []string{"node 2: agent node/2 is not connected to Redis here; check it there"}, agent.Start},
		{
			"endpoint without address", endpoint("nowhere.example.com:55820"), 1,
			[]string{"node 3: its endpoint nowhere.example.com:55820 does not resolve (", "while the link is up at 203.0.113.3:55820"},
			endpoint(""),
		},
		{"worker's Redis hangs", func(context.Context) error { return redis.Pause() }, 2, []string{"Redis here cannot be asked"}, nil},
		{
			"and on the leader", nil, 1,
			[]string{"node 2: its Redis has acknowledged nothing for"},
			func(context.Context) error { return redis.Continue() },
		},
		{
			"leader's Redis hangs", func(context.Context) error { return leadersRedis.Pause() }, 3,
			[]string{"node 1: its Redis does not answer through the VPN: no answer; "},
			func(context.Context) error { return leadersRedis.Continue() },
		},
		{
			"no wg0", run(other, "ip", "link", "delete", "wg0"), 3,
			[]string{"no peer of wg0, leader", "this node: there is no WireGuard interface wg0; run apply-vpn-routes"},
			run(other, "apply-vpn-routes"),
		},
		{
			"node that never joined", func(ctx context.Context) error {
				return addNode(ctx, leader, "jNQKmw+IF4llmxbT8tRhfZpvHqGvrU8bV0yHqAwqFWg=")
			}, 1,
			[]string{"  never\n", "node 4: no handshake so far: it has no endpoint"},
			run(leader, "api-cli", "run", "remove-node", "--data", `{"node_id":4}`),
		},
	}
}

// addNode registers a machine that does not exist.
func addNode(ctx context.Context, leader *lab.Node, key string) error {
	_, err := leader.Run(ctx, "api-cli", "run", "add-node", "--data",
		fmt.Sprintf(`{"node_pwh":"%064d","public_key":%q,"endpoint":""}`, 0, key))
	return err
}

// TestVPNStatus: all is well on each node of a settled cluster, and each thing that breaks
// is named until it is mended.
func TestVPNStatus(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	for _, n := range c.Lab.Nodes {
		awaitStatus(ctx, t, n, 0, "All is well.", n.Name()[len("node"):], "  up")
	}
	awaitStatus(ctx, t, c.Lab.Node(2), 0, "Node 1 leads a cluster of 3 nodes in 10.5.4.0/24. This is node 2.", "up, leader", "through the hub")
	statusIsJSON(ctx, t, c.Lab.Node(1))
	// A person's own peer is shown, and is no problem.
	mustRun(ctx, t, c.Lab.Node(1), "wg", "set", "wg0", "peer", "jNQKmw+IF4llmxbT8tRhfZpvHqGvrU8bV0yHqAwqFWg=", "allowed-ips", "10.5.4.200/32")
	awaitStatus(ctx, t, c.Lab.Node(1), 0, "10.5.4.200 ", "not of the cluster", "All is well.")
	mustRun(ctx, t, c.Lab.Node(1), "wg", "set", "wg0", "peer", "jNQKmw+IF4llmxbT8tRhfZpvHqGvrU8bV0yHqAwqFWg=", "remove")

	for _, b := range breakages(c) {
		t.Log(b.name)
		if b.spoil != nil {
			if err := b.spoil(ctx); err != nil {
				t.Fatalf("%s: %v", b.name, err)
			}
		}
		awaitStatus(ctx, t, c.Lab.Node(b.on), 1, b.says...)
		if b.mend == nil {
			continue
		}
		if err := b.mend(ctx); err != nil {
			t.Fatalf("%s: %v", b.name, err)
		}
		awaitStatus(ctx, t, c.Lab.Node(b.on), 0, "All is well.")
	}
	removedNode(ctx, t, c)
}

// statusIsJSON reads the JSON as programs do.
func statusIsJSON(ctx context.Context, t *testing.T, n *lab.Node) {
	t.Helper()
	said := askStatus(ctx, t, n, "--json")
	var status struct {
		OK    bool `json:"ok"`
		Node  int  `json:"node"`
		Peers []struct {
			ID            int    `json:"id"`
			State         string `json:"state"`
			LastHandshake int64  `json:"last_handshake"`
			Received      int64  `json:"received"`
		} `json:"peers"`
	}
	if err := json.Unmarshal([]byte(said.Stdout), &status); err != nil {
		t.Fatalf("%v in %s", err, said.Stdout)
	}
	if !status.OK || said.Code != 0 || status.Node != 1 || len(status.Peers) != 3 || strings.Count(said.Stdout, "\n") != 1 {
		t.Fatalf("exit code %d: %s", said.Code, said.Stdout)
	}
	for _, p := range status.Peers[1:] {
		if age := time.Since(time.Unix(p.LastHandshake, 0)); p.State != "up" || p.Received == 0 || age > settleTime*2 {
			t.Errorf("peer %+v", p)
		}
	}
}

// removedNode takes a worker's record away under its eyes.
func removedNode(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	if _, err := c.Lab.Node(1).RedisCLI(ctx, "DEL", "node/3/vpn"); err != nil {
		t.Fatal(err)
	}
	awaitStatus(ctx, t, c.Lab.Node(3), 1, "this node: it is in the cluster no more: Redis here has no record node/3/vpn; ")
}
