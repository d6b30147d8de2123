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
	for name, setting := range map[string]string{"default": "", "300ms": "300ms"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newWorkerNode(t)
			finished := n.watch("waiting")
			p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": setting})
			p.says("replica")
			interval := 5 * time.Second
			if setting != "" {
				interval = 300 * time.Millisecond
			}
			n.promotedWithin(interval, finished)
			n.want("waiting", "exit_code", "0")
			until(t, "the agent is seen", n.alive)
		})
	}
}

// promotedWithin makes the node the leader and wants the task that waits to be
// started in time.
func (n *node) promotedWithin(interval time.Duration, news func(...string) string) {
	n.t.Helper()
	n.lead()
	promoted := time.Now()
	news("pending")
	if took := time.Since(promoted); took > interval {
		n.t.Errorf("it works after %v", took)
	}
	news()
}

// TestReplicaAgain: a leader that becomes a worker waits just as quietly, and
// leads again.
//
// Rule (section 1): "has to wait quietly (one log line, not one per poll), and has to start working by
// itself within one polling interval when its node becomes the leader."
func TestReplicaAgain(t *testing.T) {
	t.Parallel()
	other := redistest.Start(t)
	n := newNodeOf(t, "cluster")
	const interval = 500 * time.Millisecond
	monitor := n.redis.Monitor(t)
	p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": interval.String()})
	monitor.Until(begins("blmove"))
	n.follow(other)
	monitor.Until(times(10, begins("client setname cluster")))
	if lines := p.lines("replica"); len(lines) != 1 {
		t.Errorf("the log is %q", lines)
	}
	other.Do(t, "lpush", "cluster/tasks", `{"id":"waiting","action":"list-actions"}`)
	finished := n.watch("waiting")
	until(t, "the task is replicated", func() bool { return n.redis.Admin().LLen(t.Context(), "cluster/tasks").Val() == 1 })
	n.promotedWithin(interval, finished)
	n.want("waiting", "exit_code", "0")
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
