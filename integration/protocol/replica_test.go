package protocol

import (
	"net"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker/redisq/redistest"
)

// follow makes the node's Redis a replica of another, and waits for its data.
func (n *node) follow(master *redistest.Server) {
	n.t.Helper()
	host, port, err := net.SplitHostPort(master.Address)
	must(n.t, err)
	n.redis.Do(n.t, "replicaof", host, port)
	until(n.t, "the replica has the data", func() bool {
		return strings.Contains(n.redis.Admin().Info(n.t.Context(), "replication").Val(), "master_link_status:up")
	})
}

// lead makes it a master.
func (n *node) lead() {
	n.t.Helper()
	n.redis.Do(n.t, "replicaof", "no", "one")
}

// newWorkerNode is a machine whose Redis follows another, with the task waiting
// in its list that the leader's agent has not taken yet.
func newWorkerNode(t *testing.T) *node {
	t.Helper()
	master, n := redistest.Start(t), newNodeOf(t, "cluster")
	master.Do(t, "lpush", "cluster/tasks", `{"id":"waiting","action":"list-actions"}`)
	n.follow(master)
	return n
}

// Rule (section 1): "the cluster agent there gets READONLY errors,
// has to wait quietly (one log line, not one per poll)"
func TestReplicaQuiet(t *testing.T) {
	t.Parallel()
	n := newWorkerNode(t)
	monitor := n.redis.Monitor(t)
	p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": "200ms"})
	// Each try of each of its connections begins with its name.
	monitor.Until(times(20, begins("client setname cluster")))
	if lines := p.lines(""); len(lines) != 1 {
		t.Errorf("the log is %q", lines)
	}
	if left := n.redis.Admin().LLen(t.Context(), "cluster/tasks").Val(); left != 1 {
		t.Errorf("%d tasks wait", left)
	}
	p.drain()
}

// Rule (section 1): "has to start working by
// itself within one polling interval when its node becomes the leader."
func TestReplicaPromoted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting  string
		interval time.Duration
	}{"default": {"", 5 * time.Second}, "300ms": {"300ms", 300 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bestOf(t, c.interval, func() time.Duration {
				n := newWorkerNode(t)
				p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": c.setting})
				p.says("replica")
				took := n.promoted()
				until(t, "the agent is seen", n.alive)
				return took
			})
		})
	}
}

// promoted makes the node the leader, and returns after which time the task
// that waits has been started.
func (n *node) promoted() time.Duration {
	n.t.Helper()
	finished := n.watch("waiting")
	n.lead()
	began := time.Now()
	finished("pending")
	took := time.Since(began)
	finished()
	n.want("waiting", "exit_code", "0")
	return took
}

// TestReplicaAgain: a leader that becomes a worker waits just as quietly, and
// leads again.
//
// Rule (section 1): "has to wait quietly (one log line, not one per poll), and has to start working by
// itself within one polling interval when its node becomes the leader."
func TestReplicaAgain(t *testing.T) {
	t.Parallel()
	const interval = 500 * time.Millisecond
	bestOf(t, interval, func() time.Duration {
		other := redistest.Start(t)
		n := newNodeOf(t, "cluster")
		monitor := n.redis.Monitor(t)
		p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": interval.String()})
		monitor.Until(begins("blmove"))
		n.follow(other)
		monitor.Until(times(10, begins("client setname cluster")))
		if lines := p.lines("replica"); len(lines) != 1 {
			t.Errorf("the log is %q", lines)
		}
		other.Do(t, "lpush", "cluster/tasks", `{"id":"waiting","action":"list-actions"}`)
		until(t, "the task is replicated", func() bool { return n.redis.Admin().LLen(t.Context(), "cluster/tasks").Val() == 1 })
		return n.promoted()
	})
}

// TestReplicaEvents: a replica's agents hear events there, as the node that
// leads announces them.
//
// Rule (section 1): "| `REDIS_REPLICA_ADDRESS` | `REDIS_ADDRESS` | where events are listened for |"
func TestReplicaEvents(t *testing.T) {
	t.Parallel()
	master, n := redistest.Start(t), newNode(t)
	n.follow(master)
	n.file("events/greeting/10", 0o755, "#!/bin/sh\n")
	p := n.start(map[string]string{"REDIS_ADDRESS": master.Address, "REDIS_REPLICA_ADDRESS": n.redis.Address})
	until(t, "the agent listens for events", func() bool { return n.listeners() > 0 })
	master.Do(t, "publish", "cluster/event/greeting", "{}")
	p.says("Handler of cluster/event/greeting exited")
}
