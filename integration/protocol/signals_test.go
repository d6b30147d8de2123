package protocol

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// ready makes a script say that it is about to wait.
const ready = "echo set-progress 10 >&$AGENT_COMFD; "

// Rule (section 6): "SIGUSR1: graceful. Go on taking tasks while any is running (a running one may be waiting for a subtask in the same
// queue), then stop"
func TestDrainGoesOn(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("parent/10", ready+gate.wait())
	n.step("child/10", "echo child")
	p := n.start(nil)
	started := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "parent"})
	started(`"progress":10`)
	p.signal(syscall.SIGUSR1)
	p.says("SIGUSR1")
	for _, id := range []string{"2", "3"} {
		n.do(id, "child")
		n.want(id, "exit_code", "0")
	}
	gate.open()
	if _, signal, code := p.end(); signal != 0 || code != 0 {
		t.Errorf("signal %d, code %d", signal, code)
	}
	n.want("1", "exit_code", "0")
	n.push(map[string]any{"id": "4", "action": "child"})
	if left := n.redis.Admin().LLen(t.Context(), agentID+"/tasks").Val(); left != 1 {
		t.Errorf("%d tasks wait for the next agent, want 1", left)
	}
}

// TestDrainLeavesNothing: what an agent that ends does not run is there for the next.
//
// Rule (section 6): "Go on taking tasks while any is running (a running one may be waiting for a subtask in the same
// queue), then stop"
func TestDrainLeavesNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("wait/10", ready+gate.wait()+"; echo $AGENT_TASK_ID >>../ran")
	p := n.start(map[string]string{"MAX_CONCURRENCY": "1"})
	working := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait"})
	working(`"progress":10`)
	last := n.watch("4")
	for _, id := range []string{"2", "3", "4"} {
		n.push(map[string]any{"id": id, "action": "wait"})
	}
	p.signal(syscall.SIGUSR1)
	gate.open()
	if _, signal, code := p.end(); signal != 0 || code != 0 {
		t.Errorf("signal %d, code %d", signal, code)
	}
	n.wantNothingInProgress()
	if n.redis.Admin().LLen(t.Context(), agentID+"/tasks").Val() > 0 {
		n.start(map[string]string{"MAX_CONCURRENCY": "1"})
	}
	last()
	if ran := n.read("ran"); ran != "1\n2\n3\n4\n" {
		t.Errorf("the tasks that ran are %q", ran)
	}
}

// Rule (section 6): "let event handlers finish, those of events already received too, exit 0."
func TestDrainEvents(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.file("events/wait/10", 0o755, "#!/bin/sh\necho started >&2\n"+gate.wait()+"\n")
	p := n.start(map[string]string{"MAX_CONCURRENCY": "1", "OVERLOAD_SLEEP": "1h"})
	const events = 5
	n.announced(slices.Repeat([]string{"cluster/event/wait"}, events)...)
	p.says("started")
	n.do("1", "list-actions") // by the answer, what was sent before has been received
	p.signal(syscall.SIGUSR1)
	p.says("SIGUSR1")
	gate.open()
	if _, signal, code := p.end(); signal != 0 || code != 0 {
		t.Errorf("signal %d, code %d", signal, code)
	}
	if handled := p.lines(`Handler of cluster/event/wait exited with status "completed" (0)`); len(handled) != events {
		t.Errorf("%d events were handled, want %d", len(handled), events)
	}
}

// Rule (section 6): "Idle: exit within a second, whatever BRPOP is doing."
func TestDrainIdle(t *testing.T) {
	t.Parallel()
	for name, c := range idleAgents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bestOf(t, time.Second, func() time.Duration {
				p := c.start(t)
				p.signal(syscall.SIGUSR1)
				p.signal(syscall.SIGUSR1) // twice is once
				took, signal, code := p.end()
				if signal != 0 || code != 0 {
					t.Errorf("signal %d, code %d", signal, code)
				}
				return took
			})
		})
	}
}

// idleAgent makes an agent that has nothing to do, in some situation.
type idleAgent struct {
	id        string
	env       map[string]string
	situation func(n *node, p *process)
}

func idleAgents() map[string]idleAgent {
	nothing := func(*node, *process) {}
	return map[string]idleAgent{
		"of a module":             {agentID, nil, nothing},
		"of a node":               {nodeID, nil, nothing},
		"of the cluster":          {"cluster", nil, nothing},
		"polling once in an hour": {agentID, map[string]string{"AGENT_POLLING_INTERVAL": "1h"}, nothing},
		"Redis is hung": {agentID, nil, func(n *node, _ *process) {
			n.redis.Pause(n.t)
			n.t.Cleanup(func() { n.redis.Resume(n.t) })
		}},
		"Redis is away": {agentID, nil, func(n *node, p *process) {
			n.redis.Stop(n.t)
			p.says("not available")
		}},
		"Redis is a replica": {agentID, nil, func(n *node, p *process) {
			n.redis.Do(n.t, "replicaof", "127.0.0.1", "1")
			p.says("replica")
		}},
	}
}

func (c idleAgent) start(t *testing.T) *process {
	t.Helper()
	noMember(t)
	n := newNodeOf(t, c.id)
	p := n.start(c.env)
	n.do("1", "list-actions")
	until(t, "the agent waits", n.alive)
	c.situation(n, p)
	return p
}
