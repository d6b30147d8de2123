package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/integration/lab"
)

// homeTime is how long nodes may take that come back: the leader's silence that they wait
// for, and what follows.
const homeTime = 60 * time.Second

// silence is the setting of the agents for how long a leader has to be silent.
func silence(ctx context.Context, t *testing.T, c *lab.Cluster, value string) {
	t.Helper()
	for _, n := range c.Lab.Nodes {
		file := "/etc/nethserver/agent.env"
		text, err := n.ReadFile(file)
		if err == nil {
			err = n.WriteFile(file, text+"AGENT_LEADER_SILENCE="+value+"\n", 0o644)
		}
		if err == nil {
			err = n.Service(lab.NodeAgent).Restart(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AgentsAlive(ctx); err != nil {
		t.Fatal(err)
	}
}

// prepare gives nodes endpoints, by which they may lead one day, and waits until all nodes
// know, and have it on disk.
func prepare(ctx context.Context, t *testing.T, c *lab.Cluster, nodes ...int) {
	t.Helper()
	for _, id := range nodes {
		if err := c.SetEndpoint(ctx, id, c.Endpoint(id)); err != nil {
			t.Fatal(err)
		}
	}
	settle(ctx, t, c)
	for _, n := range c.Lab.Nodes {
		eventually(ctx, t, settleTime, "the node knows who may lead", func(ctx context.Context) error {
			for _, id := range nodes {
				endpoint, err := n.RedisCLI(ctx, "HGET", fmt.Sprintf("node/%d/vpn", id), "endpoint")
				if err != nil || endpoint != c.Endpoint(id) {
					return fmt.Errorf("it says %q, %w", endpoint, err)
				}
			}
			return nil
		})
		// Which it refuses while it does so by itself.
		eventually(ctx, t, settleTime, "the node has all on disk", func(ctx context.Context) error {
			_, err := n.RedisCLI(ctx, "SAVE")
			return err
		})
	}
}

// comesHome waits until the whole cluster is as it should be, and nobody types anything.
func comesHome(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience(homeTime))
	defer cancel()
	began := time.Now()
	settle(ctx, t, c)
	t.Logf("all are home after %v", time.Since(began))
}

// takeOver types switch-leader on nodes whose leader does not answer, first on the one that
// is to lead.
func takeOver(ctx context.Context, t *testing.T, c *lab.Cluster, nodes ...int) {
	t.Helper()
	for _, on := range nodes {
		if err := c.SwitchLeader(ctx, on, nodes[0]); err != nil {
			t.Fatal(err)
		}
	}
	c.MoveTo(nodes[0])
}

// A worker that was off during a switch finds the new leader by itself, since that was
// prepared to lead before the worker went off.
func TestWayHomeOfAWorker(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 4)
	prepare(ctx, t, c, 3, 4)
	if err := c.Lab.Node(2).PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	if err := c.Lab.Node(2).PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	comesHome(ctx, t, c)
	if log := logsOf(t, c.Lab.Node(2)); !strings.Contains(log, "asking nodes 3, 4 whether one of them leads") ||
		!strings.Contains(log, "this node has found it and follows it") {
		t.Errorf("the worker does not say how it found home:\n%s", log)
	}
}

// An old leader that was cut off, and died, finds when it comes back that another node
// leads: it takes no tasks, so that it hands out no node ids, becomes a worker by itself, and keeps a copy of what
// was written to it alone.
func TestWayHomeOfTheOldLeader(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	silence(ctx, t, c, "8s")
	prepare(ctx, t, c, 3)
	old := c.Lab.Node(1)
	if err := old.CutLink(); err != nil {
		t.Fatal(err)
	}
	mustCLI(ctx, t, old, "SET", "hazard/10", "alone")
	mustCLI(ctx, t, old, "SAVE")
	if err := old.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	takeOver(ctx, t, c, 3, 2)
	settle(ctx, t, c)
	if err := errors.Join(old.RestoreLink(ctx), old.PowerOn(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := lab.Until(ctx, 20*time.Millisecond, func(ctx context.Context) error { return old.Alive(ctx, "cluster") }); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, settleTime, "the old leader takes no tasks", func(context.Context) error {
		if log := logsOf(t, old); !strings.Contains(log, "no tasks are taken") {
			return errors.New(log)
		}
		return nil
	})
	comesHome(ctx, t, c)
	log := logsOf(t, old)
	_, after, _ := strings.Cut(log, "a copy of the whole is kept in ")
	path, _, _ := strings.Cut(after, " ")
	if text, err := old.ReadFile(path); err != nil || !strings.Contains(text, "hazard/10") {
		t.Errorf("the copy %q: %v\n%s", path, err, log)
	}
}

// One command, on the node that is to lead, is enough when the leader is dead: the others
// come by themselves. It is refused where another node has newer data, and that is named.
func TestSwitchLeaderAll(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 4)
	silence(ctx, t, c, "6s")
	prepare(ctx, t, c, 2, 3)
	if err := c.Lab.Node(3).CutLink(); err != nil {
		t.Fatal(err)
	}
	mustCLI(ctx, t, c.Lab.Node(1), "SET", "written/without", "node 3")
	for _, id := range []int{2, 4} {
		eventually(ctx, t, settleTime, "the write arrives", func(ctx context.Context) error {
			value, err := c.Lab.Node(id).RedisCLI(ctx, "GET", "written/without")
			if err == nil && value != "node 3" {
				err = errors.New(value)
			}
			return err
		})
	}
	if err := errors.Join(c.Lab.Node(1).PowerOff(ctx), c.Lab.Node(3).RestoreLink(ctx)); err != nil {
		t.Fatal(err)
	}
	all := func(node int, more ...string) lab.Result {
		t.Helper()
		result, err := c.Lab.Node(node).Exec(ctx, append([]string{"switch-leader", "--node", strconv.Itoa(node), "--all"}, more...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("on node %d: exit code %d\n%s%s", node, result.Code, result.Stdout, result.Stderr)
		return result
	}
	if refused := all(3); refused.Code == 0 || !strings.Contains(refused.Stderr, "node 2 has ") || !strings.Contains(refused.Stderr, "newer data") {
		t.Errorf("node 3 leads although node 2 has newer data: exit code %d", refused.Code)
	}
	if result := all(2); result.Code != 0 {
		t.Errorf("exit code %d", result.Code)
	}
	c.MoveTo(2)
	settle(ctx, t, c)
	if got := mustCLI(ctx, t, c.Lab.Node(3), "GET", "written/without"); strings.TrimSpace(got) != "node 3" {
		t.Errorf("node 3 has %q now", got)
	}
	if err := c.Lab.Node(1).PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	comesHome(ctx, t, c)
}

// An old leader that was cut off, and is there again, hands out no node ids from the first
// moment, and nobody is promoted by it: the new one does both.
func TestOldLeaderRefuses(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	silence(ctx, t, c, "8s") // for no longer the old leader holds back what is to be written
	prepare(ctx, t, c, 2, 3)
	old := c.Lab.Node(1)
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	var request map[string]any
	if err = json.Unmarshal([]byte(mustRun(ctx, t, c.Lab.Node(2), "agent", "join-request")), &request); err != nil {
		t.Fatal(err)
	}
	request["public_key"] = key.PublicKey().String()
	if err = old.CutLink(); err != nil {
		t.Fatal(err)
	}
	takeOver(ctx, t, c, 3, 2)
	if err = old.RestoreLink(ctx); err != nil {
		t.Fatal(err)
	}
	promotion := map[string]any{"node_id": 2, "endpoint_address": "node2.example.com", "endpoint_port": 55820}
	for _, order := range []struct {
		action string
		input  any
	}{{"add-node", request}, {"promote-node", promotion}} {
		got, callErr := old.Call(ctx, order.action, order.input)
		t.Logf("%s: exit code %d, %q", order.action, got.Code, got.Stderr)
		refused := got.Code == 33 && strings.Contains(got.Stderr, "node 3 leads")
		// It holds back all that is to be written until it is home, where it is a replica, and no agent takes tasks.
		held := got.Code == 1 && slices.ContainsFunc([]string{"it is gone", "this node is a worker", "is this node the leader?"},
			func(why string) bool { return strings.Contains(got.Stderr, why) })
		if callErr != nil || !refused && !held {
			t.Errorf("%s: %+v, %v", order.action, got, callErr)
		}
	}
	comesHome(ctx, t, c)
	if got, callErr := c.Lab.Node(3).Call(ctx, "add-node", request); callErr != nil || got.Code != 0 || !strings.Contains(got.Stdout, `"node_id":4`) {
		t.Errorf("add-node on the new leader: %+v, %v", got, callErr)
	}
}

// An old leader's disk may be some seconds older than its death: tasks that it ran wait
// there once more. It runs none of them again when it comes back.
func TestOldLeaderRunsNothingAgain(t *testing.T) {
	t.Parallel()
	const folder, state = "/var/lib/nethserver/node/actions/note-run", "/var/lib/nethserver/node/state/note-run.log"
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	silence(ctx, t, c, "8s")
	prepare(ctx, t, c, 1, 2, 3)
	old := c.Lab.Node(1)
	mustRun(ctx, t, old, "mkdir", "-p", folder)
	if err := old.WriteFile(folder+"/10note", "#!/bin/sh\nexec echo \"$AGENT_TASK_ID\" >>note-run.log\n", 0o755); err != nil {
		t.Fatal(err)
	}

	old.Service(lab.NodeAgent).Stop()
	for _, id := range []string{"first", "second"} {
		mustCLI(ctx, t, old, "LPUSH", "node/1/tasks", `{"id":"`+id+`","action":"note-run"}`)
	}
	mustCLI(ctx, t, old, "SAVE")
	disk := mustCLI(ctx, t, old, "CONFIG", "GET", "dir")
	disk = disk[strings.LastIndexByte(disk, '\n')+1:] + "/dump.rdb"
	mustRun(ctx, t, old, "cp", disk, "/root/older.rdb")
	if err := old.Service(lab.NodeAgent).Start(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, settleTime, "the tasks have run", func(context.Context) error {
		return once(old.ReadFile(state))
	})
	settle(ctx, t, c)

	if err := old.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	takeOver(ctx, t, c, 3, 2)
	settle(ctx, t, c)
	mustRun(ctx, t, old, "cp", "/root/older.rdb", disk)
	if err := old.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	comesHome(ctx, t, c)
	if err := once(old.ReadFile(state)); err != nil {
		t.Errorf("%v\n%s", err, logsOf(t, old))
	}
}

// once is nil if each of two tasks has left a line.
func once(text string, err error) error {
	if err == nil && text != "first\nsecond\n" && text != "second\nfirst\n" {
		err = fmt.Errorf("these have run: %q", text)
	}
	return err
}

// A worker whose Redis was made a master, and that did not come to lead before another did,
// finds that one by itself: it does not lead beside it.
func TestWayHomeOfAMasterThatNeverLed(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	silence(ctx, t, c, "8s")
	prepare(ctx, t, c, 2, 3)
	lost := c.Lab.Node(3)
	lost.Service(lab.NodeAgent).Stop()
	mustCLI(ctx, t, lost, "REPLICAOF", "NO", "ONE")
	if err := c.Promote(ctx, 2); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, settleTime, "node 1 follows node 2", func(ctx context.Context) error {
		role, err := c.Lab.Node(1).Role(ctx)
		if err == nil && role.Host != c.VPNAddress(2).String() {
			err = fmt.Errorf("its role is %+v", role)
		}
		return err
	})
	if err := lost.Service(lab.NodeAgent).Start(ctx); err != nil {
		t.Fatal(err)
	}
	comesHome(ctx, t, c)
	if leader, err := c.Lab.Node(2).RedisCLI(ctx, "HGET", "cluster/leadership", "node_id"); err != nil || strings.TrimSpace(leader) != "2" {
		t.Errorf("node %s leads: %v", leader, err)
	}
}

// A worker whose Redis was made a master, by hand, say, while its leader leads on, comes home
// to it, and keeps a copy of what was written to it alone.
func TestWayHomeOfAStrayMaster(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	silence(ctx, t, c, "8s")
	prepare(ctx, t, c, 2)
	stray := c.Lab.Node(3)
	mustCLI(ctx, t, stray, "REPLICAOF", "NO", "ONE")
	mustCLI(ctx, t, stray, "SET", "hazard/stray", "alone")
	comesHome(ctx, t, c)
	wantLeadership(ctx, t, c, "1 1")
	for _, said := range []string{"has been a master since", "a copy of the whole is kept in ", "node 1 leads in epoch"} {
		eventually(ctx, t, settleTime, "the log says "+said, func(context.Context) error {
			if log := logsOf(t, stray); !strings.Contains(log, said) {
				return errors.New(log)
			}
			return nil
		})
	}
}
