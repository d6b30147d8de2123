package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/lab"
)

// Hazard 7: writes go on while the leader changes. None that was acknowledged is lost,
// on any node, and no Redis has to be copied as a whole. What was written, and the
// switch, survive a reboot of each node.
func TestHazard07WritesDuringASwitch(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	full := copies(ctx, t, c)
	w := startWriters(ctx, t, c, 1, 3)
	w.await(ctx, t, 200)
	if err := c.Promote(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	w.await(ctx, t, w.acknowledged.Load()+200)
	w.stop(t)
	if after := copies(ctx, t, c); after != full {
		t.Errorf("full copies made by Redis 1, 2 and 3: %v before, %v after", full, after)
	}
	w.check(ctx, t, c)

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
	w.check(ctx, t, c)
}

// copies are the full copies that each Redis has made for its replicas.
func copies(ctx context.Context, t *testing.T, c *lab.Cluster) string {
	t.Helper()
	all := make([]string, 0, len(c.Lab.Nodes))
	for _, n := range c.Lab.Nodes {
		for line := range strings.Lines(mustCLI(ctx, t, n, "INFO", "stats")) {
			if count, found := strings.CutPrefix(strings.TrimSpace(line), "sync_full:"); found {
				all = append(all, count)
			}
		}
	}
	return strings.Join(all, " ")
}

// writers write to whichever of two nodes takes writes.
type writers struct {
	acknowledged atomic.Int64
	last         [4]int // by writer: the highest number that was acknowledged
	end          context.CancelFunc
	running      sync.WaitGroup
}

func startWriters(ctx context.Context, t *testing.T, c *lab.Cluster, nodes ...int) *writers {
	t.Helper()
	clients := make([]*redis.Client, 0, len(nodes))
	for _, id := range nodes {
		db, err := c.Lab.Node(id).DB()
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, db)
	}
	w := &writers{}
	ctx, w.end = context.WithCancel(ctx)
	for i := range w.last {
		w.running.Go(func() { w.write(ctx, i, clients) })
	}
	return w
}

// write adds one number after the other to a set. A number that was refused by one
// node, or whose answer got lost, is given to the next.
func (w *writers) write(ctx context.Context, writer int, clients []*redis.Client) {
	for number, at := 1, 0; ctx.Err() == nil; {
		if clients[at].SAdd(ctx, writtenBy(writer), number).Err() != nil {
			at = (at + 1) % len(clients)
			continue
		}
		w.last[writer] = number
		w.acknowledged.Add(1)
		number++
	}
}

func writtenBy(writer int) string { return "hazard/writer" + strconv.Itoa(writer) }

// await waits until so many writes have been acknowledged.
func (w *writers) await(ctx context.Context, t *testing.T, count int64) {
	t.Helper()
	eventually(ctx, t, settleTime, fmt.Sprintf("%d writes", count), func(context.Context) error {
		if got := w.acknowledged.Load(); got < count {
			return fmt.Errorf("only %d", got)
		}
		return nil
	})
}

func (w *writers) stop(t *testing.T) {
	t.Helper()
	w.end()
	w.running.Wait()
	t.Logf("%d writes were acknowledged", w.acknowledged.Load())
}

// check looks for each acknowledged write on each node.
func (w *writers) check(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	for _, n := range c.Lab.Nodes {
		for writer, last := range w.last {
			eventually(ctx, t, settleTime, fmt.Sprintf("node %d has all of writer %d", n.ID, writer), func(ctx context.Context) error {
				db, err := n.DB()
				if err != nil {
					return err
				}
				members, err := db.SMembersMap(ctx, writtenBy(writer)).Result()
				for number := 1; number <= last && err == nil; number++ {
					if _, found := members[strconv.Itoa(number)]; !found {
						err = fmt.Errorf("write %d of %d is lost", number, last)
					}
				}
				return err
			})
		}
	}
}

// Hazard 8: who hears of the switch finds the result of promote-node already written,
// also on the new leader, although the Redis that it was given to takes no more writes
// a moment later. And what was reported is on the new leader's disk: the power fails,
// and after the boot it still leads.
func TestHazard08ResultOfPromote(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	promoteAndListen(ctx, t, c)
	settle(ctx, t, c)
	for _, n := range c.Lab.Nodes {
		if code, err := resultOf(ctx, n); err != nil || code != "0" {
			t.Errorf("exit code of promote-node on node %d: %q, %v", n.ID, code, err)
		}
	}
	if err := c.Lab.Node(3).PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Lab.Node(3).PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
}

// promoteTask is the id of the task by which promoteAndListen promotes.
const promoteTask = "6d36fdb0-8ba2-4c39-a1a4-0e63b1a4a2d8"

// resultOf reads the exit code of that task from a node's Redis.
func resultOf(ctx context.Context, n *lab.Node) (string, error) {
	db, err := n.DB()
	if err != nil {
		return "", err
	}
	return db.Get(ctx, "task/cluster/"+promoteTask+"/exit_code").Result()
}

// promoteAndListen makes node 3 the leader, and looks for the result in the moment in
// which the event arrives.
func promoteAndListen(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	old := c.Lab.Node(1)
	db, err := old.DB()
	if err != nil {
		t.Fatal(err)
	}
	events := db.Subscribe(ctx, "cluster/event/leader-changed")
	defer func() {
		if closeErr := events.Close(); closeErr != nil {
			t.Error(closeErr)
		}
	}()
	if _, err = events.Receive(ctx); err != nil { // the subscription
		t.Fatal(err)
	}
	task, err := json.Marshal(map[string]any{
		"id": promoteTask, "action": "promote-node", "data": lab.PromoteInput(3, lab.Address4(3).String()),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err = db.LPush(ctx, "cluster/tasks", task).Err(); err != nil {
		t.Fatal(err)
	}
	event, err := events.ReceiveMessage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code, err := resultOf(ctx, old); err != nil || code != "0" {
		t.Errorf("%s came before the result: %q, %v", event.Payload, code, err)
	}
	c.MoveTo(3)
}
