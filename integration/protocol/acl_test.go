package protocol

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker/redisq/redistest"
)

// nodeRules are what a node agent may do.
//
// Rule (section 1): "The ACL of a node agent, which everything it does has to fit in:
//
//	resetkeys ~node/N/* ~task/node/N/* %R~cluster/* %R~node/* %R~module/* %R~private/agents/* %R~private/nodes/*
//	resetchannels &progress/node/N/* &node/N/event/*
//	nocommands +@read +@write +@transaction +@connection +publish -@admin +psync +replconf"
const nodeRules = "resetkeys ~node/N/* ~task/node/N/* %R~cluster/* %R~node/* %R~module/* %R~private/agents/* %R~private/nodes/* " +
	"resetchannels &progress/node/N/* &node/N/event/* " +
	"nocommands +@read +@write +@transaction +@connection +publish -@admin +psync +replconf"

// defaultRules are those of the default user.
//
// Rule (section 1): "the default user
// accepts any password and may only read and subscribe"
const defaultRules = "on nopass resetkeys ~* resetchannels &* nocommands +@read +@connection +subscribe +psubscribe -@admin"

const nodeID = "node/1"

// newMember is a machine of a node agent that may do no more than the rules say.
func newMember(t *testing.T) *node {
	t.Helper()
	noMember(t)
	return newNodeOf(t, nodeID, adminLine,
		"user "+nodeID+" on >secret "+strings.ReplaceAll(nodeRules, "node/N/", nodeID+"/"), "user default "+defaultRules)
}

// enlist starts its agent.
func (n *node) enlist() *process {
	n.t.Helper()
	return n.start(map[string]string{"REDIS_PASSWORD": "secret", "AGENT_POLLING_INTERVAL": "1s"})
}

// wantNoDenials wants Redis to have refused nothing so far.
func (n *node) wantNoDenials() {
	n.t.Helper()
	denied, ok := n.redis.Do(n.t, "acl", "log").([]any)
	if !ok || len(denied) != 0 {
		n.t.Errorf("the rules forbid something: %v", denied)
	}
}

// Rule (section 1): "The ACL of a node agent, which everything it does has to fit in"
func TestACL(t *testing.T) {
	t.Parallel()
	n := newMember(t)
	gate := n.gate()
	n.file("state/environment", 0o644, "A=1\n")
	n.file("events/greeting/10", 0o755, "#!/bin/sh\n")
	n.step("say/10", "echo out; echo err >&2; echo set-progress 50 >&$AGENT_COMFD")
	n.step("wait/10", ready+gate.wait())
	n.step("hang/10", "echo $$ >../pid; "+ready+"exec sleep 60")
	p := n.enlist()
	n.tasksWithin(gate)
	n.announced("cluster/event/greeting")
	p.says("Handler of cluster/event/greeting exited")
	until(t, "the agent is seen", n.alive)
	n.redis.Do(t, "lpush", nodeID+"/tasks", "no task")
	p.says("Task ignored for decoding error")

	n.interrupted(p)
	p = n.enlist()
	until(t, "the interrupted task is settled", func() bool { return n.has("cut") })
	n.want("cut", "exit_code", "12")
	n.do("last", "list-actions")
	p.drain()
	n.stopped()
	n.wantNothingLeft()
	n.wantNoDenials()
}

// tasksWithin has tasks of all kinds done, one of them long enough for heartbeats.
func (n *node) tasksWithin(gate *gate) {
	n.t.Helper()
	monitor := n.redis.Monitor(n.t)
	finished := n.watch("long")
	n.push(map[string]any{"id": "long", "action": "wait"})
	monitor.Until(times(2, n.heartbeats("long")))
	for _, action := range []string{"say", "list-actions", "cancel-task", "unknown"} {
		n.do(action, action)
	}
	gate.open()
	finished()
	n.want("long", "exit_code", "0")
	n.want("say", "output", "out\n")
	n.want("unknown", "exit_code", "8")
	if got := n.redis.Admin().HGetAll(n.t.Context(), nodeID+"/environment").Val(); got["A"] != "1" {
		n.t.Errorf("environment is %v", got)
	}
}

// interrupted kills an agent in the middle of a task.
func (n *node) interrupted(p *process) {
	n.t.Helper()
	working := n.watch("cut")
	n.push(map[string]any{"id": "cut", "action": "hang"})
	working(`"progress":10`)
	p.signal(syscall.SIGKILL)
	p.end()
	n.killLeftBehind("pid")
	must(n.t, os.Remove(filepath.Join(n.dir, "pid")))
}

// stopped has one more agent ended by SIGTERM in the middle of a task.
func (n *node) stopped() {
	n.t.Helper()
	p := n.enlist()
	working := n.watch("stopped")
	n.push(map[string]any{"id": "stopped", "action": "hang"})
	working(`"progress":10`)
	p.signal(syscall.SIGTERM)
	working()
	p.end()
	n.want("stopped", "exit_code", "14")
}

// has tells whether a task has a result.
func (n *node) has(id string) bool {
	n.t.Helper()
	count, err := n.redis.Admin().Exists(n.t.Context(), "task/"+n.id+"/"+id+"/exit_code").Result()
	must(n.t, err)
	return count == 1
}

// Rule (section 1): "Tried on Redis 7.0 within it: BLMOVE, BRPOP, LREM, LPOS, SCAN, WAIT, MULTI, CLIENT ID work; EVAL, FCALL, ROLE, INFO, CLIENT LIST, CLIENT UNBLOCK do
// not. So no Lua."
func TestACLTried(t *testing.T) {
	t.Parallel()
	n := newMember(t)
	client := redis.NewClient(&redis.Options{Addr: n.redis.Address, Username: nodeID, Password: "secret", Protocol: 2, MaxRetries: -1})
	t.Cleanup(func() { must(t, client.Close()) })
	n.redis.Do(t, "lpush", nodeID+"/tasks", "1", "2")
	for _, works := range []string{
		"blmove node/1/tasks node/1/doing RIGHT LEFT 1", "brpop node/1/tasks 1", "lrem node/1/tasks 1 x", "lpos node/1/doing 1",
		"scan 0", "wait 0 1", "multi", "client id",
	} {
		if err := try(t.Context(), client.Conn(), works); err != nil {
			t.Errorf("%s: %v", works, err)
		}
	}
	n.wantNoDenials()
	for _, forbidden := range []string{
		"eval return 0", "fcall f 0", "role", "info", "client list", "client unblock 1",
		"set node/2/x 1", "publish cluster/event/x 1", "lpush cluster/tasks x",
	} {
		if err := try(t.Context(), client.Conn(), forbidden); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s: %v", forbidden, err)
		}
	}
}

// try sends one command on a connection of its own.
func try(ctx context.Context, connection *redis.Conn, line string) (err error) {
	defer func() { err = errors.Join(err, connection.Close()) }()
	words := strings.Fields(line)
	command := make([]any, len(words))
	for i, word := range words {
		command[i] = word
	}
	if err := connection.Do(ctx, command...).Err(); !errors.Is(err, redis.Nil) {
		return err
	}
	return nil
}

// Rule (section 1): "So no Lua."
func TestNoLua(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "echo set-progress 50 >&$AGENT_COMFD")
	monitor := n.redis.Monitor(t)
	p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": "100ms"})
	n.do("1", "a")
	n.do("2", "list-actions")
	p.drain()
	n.redis.Do(t, "publish", "end", "")
	seen := monitor.Until(begins("publish end"))
	scripts := allSpoken(seen, func(c redistest.Command) bool {
		return slices.Contains([]string{"eval", "evalsha", "fcall", "script", "function", "eval_ro", "evalsha_ro", "fcall_ro"}, strings.ToLower(c.Words[0]))
	})
	if len(scripts) > 0 {
		t.Errorf("it runs %q", scripts)
	}
}

// Rule (section 1): "The `cluster` agent may do everything on its own, local, Redis."
func TestClusterAgentMayAll(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, "cluster", adminLine, "user cluster on >secret ~* &* +@all", "user default "+defaultRules)
	n.step("a/10", "echo well")
	p := n.start(map[string]string{"REDIS_PASSWORD": "secret"})
	n.do("1", "a")
	n.want("1", "output", "well\n")
	p.drain()
	n.wantNoDenials()
}
