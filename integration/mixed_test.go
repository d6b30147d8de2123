package integration

import (
	"context"
	"testing"
	"time"

	"cluster-agent/integration/lab"
)

// otherSwitch is how other implementations take part in a change of the leader: no hand-over,
// no epochs, and every node is a master of its own for a moment.
const otherSwitch = `#!/bin/sh
set -eu
event=$(cat)
leader=$(printf '%s' "$event" | sed -n 's/.*"node_id": *\([0-9]*\).*/\1/p')
endpoint=$(printf '%s' "$event" | sed -n 's/.*"endpoint": *"\([^"]*\)".*/\1/p')
self=$(sed -n 's/^NODE_ID=//p' /var/lib/nethserver/node/state/environment)
REDISCLI_AUTH=$(sed -n 's/^REDIS_PASSWORD=//p' /var/lib/nethserver/cluster/state/agent.env)
export REDISCLI_AUTH
db() { redis-cli -e --user cluster "$@" >&2; }
address=$(redis-cli -e --user cluster HGET "node/$leader/vpn" ip_address)
echo "the other way: node $leader is to lead" >&2
db REPLICAOF NO ONE
db HSET cluster/environment NODE_ID "$leader"
if [ "$leader" = "$self" ]; then
	db HSET "node/$leader/vpn" endpoint "$endpoint"
	exit 0
fi
sed "s/^.*[[:space:]]cluster-leader\$/$address cluster-leader/" /etc/hosts >/etc/hosts.new
cat /etc/hosts.new >/etc/hosts
rm /etc/hosts.new
db REPLICAOF "$address" 6379
`

// newMixedCluster is a cluster of four in which one node turns in the other way.
func newMixedCluster(ctx context.Context, t *testing.T, other int) *lab.Cluster {
	t.Helper()
	c := newCluster(ctx, t, 4)
	settle(ctx, t, c)
	const step = "/var/lib/nethserver/node/events/leader-changed/10switch_leader"
	if err := c.Lab.Node(other).WriteFile(step, otherSwitch, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// turnedOtherWay fails the test unless the node's executable has been run so often: the
// test would prove nothing.
func turnedOtherWay(t *testing.T, n *lab.Node, times int) {
	t.Helper()
	if got := said(t, n, "the other way: node"); got != times {
		t.Errorf("node %d has turned %d times in the other way, not %d:\n%s", n.ID, got, times, logsOf(t, n))
	}
}

// A node with another implementation is a worker through promotions, and through one that
// was announced without an epoch. It stays part of the cluster, and nobody loses a write
// of the promotions: no write goes to that node while it is a master.
func TestMixedWorker(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	const other = 4
	c := newMixedCluster(ctx, t, other)
	for _, next := range []int{3, 2} {
		prepare(ctx, t, c, next)
		w := startWriters(ctx, t, c, c.Leader, next)
		w.await(ctx, t, 200)
		if err := c.Promote(ctx, next); err != nil {
			t.Fatal(err)
		}
		settle(ctx, t, c)
		w.await(ctx, t, w.acknowledged.Load()+200)
		w.stop(t)
		w.check(ctx, t, c)
		mustCLI(ctx, t, c.Lab.Node(c.Leader), "DEL", writtenBy(0), writtenBy(1), writtenBy(2), writtenBy(3))
	}
	wantLeadership(ctx, t, c, "3 2")
	announce(ctx, t, c, 3, 0)
	settle(ctx, t, c)
	wantLeadership(ctx, t, c, "4 3")
	turnedOtherWay(t, c.Lab.Node(other), 3)
}

// The leader is a node with another implementation: it hands nothing over, but follows the
// candidate. What it had acknowledged before that is there.
func TestMixedLeader(t *testing.T) {
	t.Parallel()
	for name, epoch := range map[string]int64{"with an epoch": 2, "without": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, 5*time.Minute)
			const other = 1
			c := newMixedCluster(ctx, t, other)
			prepare(ctx, t, c, 3)
			w := startWriters(ctx, t, c, other)
			w.await(ctx, t, 200)
			w.stop(t)
			mustCLI(ctx, t, c.Lab.Node(other), "WAIT", "3", "5000")
			announce(ctx, t, c, 3, epoch)
			settle(ctx, t, c)
			w.check(ctx, t, c)
			wantLeadership(ctx, t, c, "2 3")
			turnedOtherWay(t, c.Lab.Node(other), 1)
		})
	}
}

// The candidate is a node with another implementation: it takes the lead at once, and does not
// wait for the leader to hand over. What that had acknowledged before is there, and it is
// a worker in the end.
func TestMixedCandidate(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	const other = 3
	c := newMixedCluster(ctx, t, other)
	prepare(ctx, t, c, other)
	w := startWriters(ctx, t, c, 1)
	w.await(ctx, t, 200)
	w.stop(t)
	mustCLI(ctx, t, c.Lab.Node(1), "WAIT", "3", "5000")
	if err := c.Promote(ctx, other); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	w.check(ctx, t, c)
	wantLeadership(ctx, t, c, "2 3")
	turnedOtherWay(t, c.Lab.Node(other), 1)
}
