package protocol

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// Rule (section 2): "a Redis that is briefly away must not lose a result."
func TestRedisBrieflyAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines      []string
		goes, back func(n *node)
	}{
		"killed, and back with its data": {
			[]string{"appendonly yes", "appendfsync always"},
			func(n *node) { n.redis.Stop(n.t) },
			func(n *node) { n.redis.Restart(n.t) },
		},
		"killed, and back without any data": {
			nil,
			func(n *node) { n.redis.Stop(n.t) },
			func(n *node) { n.redis.Restart(n.t) },
		},
		"hung": {
			nil,
			func(n *node) { n.redis.Pause(n.t) },
			func(n *node) { n.redis.Resume(n.t) },
		},
		"out of memory": {
			nil,
			func(n *node) { n.redis.Do(n.t, "config", "set", "maxmemory", "1") },
			func(n *node) { n.redis.Do(n.t, "config", "set", "maxmemory", "0") },
		},
		"a replica for a moment": {
			nil,
			func(n *node) { n.redis.Do(n.t, "replicaof", "127.0.0.1", "1") },
			func(n *node) { n.lead() },
		},
		"closing connections": {
			nil,
			func(n *node) { n.redis.Do(n.t, "client", "kill", "type", "normal", "skipme", "yes") },
			func(n *node) { n.redis.Do(n.t, "client", "kill", "type", "normal", "skipme", "yes") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNodeOf(t, agentID, c.lines...)
			gate := n.gate()
			n.step("wait/10", "touch ../begun; "+gate.wait()+"; echo result; exit 6")
			p := n.start(nil)
			n.push(map[string]any{"id": "1", "action": "wait"})
			n.exists("begun")
			c.goes(n)
			gate.open()
			p.says(`action "wait" status is "aborted" (6)`) // what comes next is the result
			c.back(n)
			until(t, "the result is stored", func() bool { return n.has("1") })
			n.want("1", "exit_code", "6")
			n.want("1", "output", "result\n")
			n.wantEightHours("exit_code")
			p.drain()
			n.wantNothingLeft()
		})
	}
}

// TestDrainWithoutRedis: an agent that is to end waits until the result is stored.
//
// Rule (section 2): "a Redis that is briefly away must not lose a result."
func TestDrainWithoutRedis(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("wait/10", "touch ../begun; "+gate.wait()+"; echo result")
	p := n.start(nil)
	n.push(map[string]any{"id": "1", "action": "wait"})
	n.exists("begun")
	p.signal(syscall.SIGUSR1)
	n.redis.Stop(t)
	gate.open()
	p.says(`action "wait" status is "completed" (0)`)
	n.redis.Restart(t)
	if _, signal, code := p.end(); signal != 0 || code != 0 {
		t.Errorf("signal %d, code %d", signal, code)
	}
	n.want("1", "output", "result\n")
	n.wantNothingLeft()
}

// exists waits until a step has made a file.
func (n *node) exists(path string) {
	n.t.Helper()
	until(n.t, path+" is there", func() bool {
		_, err := os.Stat(filepath.Join(n.dir, path))
		return err == nil
	})
}

// TestReplyLost: the transaction was carried out, and the connection broke
// before the agent heard of it.
//
// Rule (section 2): "a Redis that is briefly away must not lose a result."
func TestReplyLost(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"exec", "blmove", "set"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("a/10", "echo $AGENT_TASK_ID >>../ran; echo well; exit 6")
			proxy := redistest.NewProxy(t, n.redis)
			p := n.start(map[string]string{"REDIS_ADDRESS": proxy.Address})
			n.do("1", "a")
			proxy.LoseReply(command)
			n.do("2", "a")
			n.do("3", "a")
			n.want("2", "output", "well\n")
			n.want("2", "exit_code", "6")
			if ran := n.read("ran"); ran != "1\n2\n3\n" {
				t.Errorf("the tasks that ran are %q", ran)
			}
			p.drain()
			n.wantNothingLeft()
		})
	}
}
