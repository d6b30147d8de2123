package protocol

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker/redisq/redistest"
)

// Rule (section 1): "| `REDIS_ADDRESS` | `127.0.0.1:6379` | where tasks come from and results go |"
func TestRedisAddress(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{"a number": "127.0.0.1", "a name": "localhost"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			_, port, err := net.SplitHostPort(n.relayed("127.0.0.1:0", ignore))
			must(t, err)
			n.start(map[string]string{"REDIS_ADDRESS": net.JoinHostPort(host, port)})
			n.do("1", "list-actions")
			n.want("1", "exit_code", "0")
		})
	}
}

// Rule (section 1): "| `REDIS_ADDRESS` | `127.0.0.1:6379` | where tasks come from and results go |"
func TestRedisAddressDefault(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.relayed("127.0.0.1:6379", ignore)
	n.launch(map[string]string{"REDIS_ADDRESS": ""}, "--agentid="+agentID, "--actionsdir=actions")
	n.do("1", "list-actions")
	n.want("1", "exit_code", "0")
}

// Rule (section 1): "| `REDIS_PASSWORD` | empty | if set, authenticate; the user is `REDIS_USER`, or else the agent id |"
func TestRedisPassword(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ password, user, want string }{
		"none":                   {"", "", "default"},
		"the agent id":           {"secret", "", agentID},
		"REDIS_USER":             {"hidden", "somebody", "somebody"},
		"a user and no password": {"", "somebody", "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNodeOf(t, agentID, adminLine, "user "+agentID+" on >secret ~* &* +@all", "user somebody on >hidden ~* &* +@all")
			n.start(map[string]string{"REDIS_PASSWORD": c.password, "REDIS_USER": c.user})
			until(t, "it listens", func() bool { return n.listeners() > 0 }) // until then as somebody else, and in vain
			n.do("1", "list-actions")
			until(t, "the agent is seen", n.alive)
			for _, l := range foreign(links(t, n.redis, "normal")) {
				// One without a name has only just been opened.
				if l["name"] != "" && l["user"] != c.want {
					t.Errorf("a connection's user is %s, want %s", l["user"], c.want)
				}
			}
		})
	}
}

// Rule (section 1): "| `REDIS_REPLICA_ADDRESS` | `REDIS_ADDRESS` | where events are listened for |"
func TestRedisReplicaAddress(t *testing.T) {
	t.Parallel()
	n, other := newNode(t), newNode(t)
	n.file("events/greeting/10", 0o755, "#!/bin/sh\n")
	p := n.start(map[string]string{"REDIS_REPLICA_ADDRESS": other.redis.Address})
	other.announced("cluster/event/greeting")
	p.says("Handler of cluster/event/greeting exited")
	n.do("1", "list-actions")
	if count := n.listeners(); count != 0 {
		t.Errorf("%d connections listen at REDIS_ADDRESS, too", count)
	}
}

// Rule (section 1): "| `REDIS_REPLICA_ADDRESS` | `REDIS_ADDRESS` | where events are listened for |"
func TestRedisReplicaAddressDefault(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("events/greeting/10", 0o755, "#!/bin/sh\n")
	p := n.start(nil)
	n.announced("cluster/event/greeting")
	p.says("Handler of cluster/event/greeting exited")
}

// Rule (section 1): "| `AGENT_POLLING_INTERVAL` | `5s` | Go duration: BRPOP timeout and heartbeat period |"
func TestPollingInterval(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting, timeout string
		period           time.Duration
	}{
		"default": {"", "5", 5 * time.Second},
		"2s":      {"2s", "2", 2 * time.Second},
		"1500ms":  {"1500ms", "1.5", 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			gate := n.gate()
			n.step("wait/10", gate.wait())
			monitor := n.redis.Monitor(t)
			n.start(map[string]string{"AGENT_POLLING_INTERVAL": c.setting})
			seen := monitor.Until(begins("brpop"))
			if words := seen[len(seen)-1].Words; words[len(words)-1] != c.timeout {
				t.Errorf("it waits with %q", words)
			}
			began := time.Now()
			n.push(map[string]any{"id": "1", "action": "wait"})
			monitor.Until(n.heartbeats("1"))
			if took := time.Since(began); took < c.period || took > 2*c.period {
				t.Errorf("the first heartbeat came after %v, want %v", took, c.period)
			}
			gate.open()
		})
	}
}

// heartbeats finds those of a task.
func (n *node) heartbeats(id string) func(redistest.Command) bool {
	return begins("expire task/" + n.id + "/" + id + "/context")
}

// Rule (section 1): "| `MAX_CONCURRENCY` | `32` | tasks (and, separately, events) running at once |"
func TestMaxConcurrency(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting string
		limit   int
	}{"default": {"", 32}, "3": {"3", 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			gate := n.gate()
			for _, kind := range []string{"actions", "events"} {
				n.file(kind+"/wait/10", 0o755, "#!/bin/sh\nmktemp -p ../"+kind+" running.XXXXXX >&2\n"+gate.wait()+"\n")
			}
			p := n.start(map[string]string{"MAX_CONCURRENCY": c.setting, "OVERLOAD_SLEEP": "10ms"})
			n.announced(slices.Repeat([]string{"cluster/event/wait"}, c.limit+1)...)
			p.says("Agent is busy. Event cluster/event/wait rejected!")
			n.wantRunning("events", c.limit)
			for i := range c.limit + 2 {
				n.push(map[string]any{"id": strconv.Itoa(i), "action": "wait"})
			}
			n.wantRunning("actions", c.limit)
			if waiting := n.redis.Admin().LLen(t.Context(), agentID+"/tasks").Val(); waiting != 2 {
				t.Errorf("%d tasks wait", waiting)
			}
			gate.open()
			p.drain()
			if handled := p.lines("Handler of cluster/event/wait exited"); len(handled) != c.limit {
				t.Errorf("%d events were handled", len(handled))
			}
		})
	}
}

// wantRunning wants so many tasks, or events, to run at once.
func (n *node) wantRunning(kind string, want int) {
	n.t.Helper()
	count := func() int {
		running, err := filepath.Glob(filepath.Join(n.dir, kind, "running.*"))
		must(n.t, err)
		return len(running)
	}
	until(n.t, "as many run as may", func() bool { return count() >= want })
	if got := count(); got != want {
		n.t.Errorf("%d %s run at once, want %d", got, kind, want)
	}
}

// Rule (section 1): "| `OVERLOAD_SLEEP` | `500ms` | how long an overloaded agent waits before it decides |"
func TestOverloadSleep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting        string
		atLeast, below time.Duration
	}{
		"default": {"", 500 * time.Millisecond, patience},
		"1ms":     {"1ms", 0, 500 * time.Millisecond},
		"1200ms":  {"1200ms", 1200 * time.Millisecond, patience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			gate := n.gate()
			n.file("events/wait/10", 0o755, "#!/bin/sh\necho started >&2\n"+gate.wait()+"\n")
			p := n.start(map[string]string{"MAX_CONCURRENCY": "1", "OVERLOAD_SLEEP": c.setting})
			n.announced("cluster/event/wait")
			p.says("started")
			rejected := 0
			bestOf(t, c.below, func() time.Duration {
				began := time.Now()
				n.announced("cluster/event/wait")
				rejected++
				until(t, "the event is rejected", func() bool { return len(p.lines("Agent is busy.")) == rejected })
				took := time.Since(began)
				if took < c.atLeast {
					t.Errorf("rejected after %v, want %v", took, c.atLeast)
				}
				return took
			})
			gate.open()
		})
	}
}

// Rule (section 1): "| `OVERLOAD_SLEEP` | `500ms` | how long an overloaded agent waits before it decides |"
func TestOverloadSleepEnds(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.file("events/wait/10", 0o755, "#!/bin/sh\necho started >&2\n"+gate.wait()+"\n")
	p := n.start(map[string]string{"MAX_CONCURRENCY": "1", "OVERLOAD_SLEEP": "1h"})
	n.announced("cluster/event/wait", "node/2/event/wait")
	p.says("started")
	gate.open()
	p.says("Handler of node/2/event/wait exited")
}

// Rule (section 1): "| `AGENT_INSTALL_DIR` | | `validator-definitions.json` is looked for here |"
func TestInstallDir(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("install/validator-definitions.json", 0o644,
		`{"$id":"http://example.com/definitions.json","definitions":{"port":{"type":"integer","maximum":65535}}}`)
	n.file("actions/a/validate-input.json", 0o644,
		`{"type":"object","properties":{"port":{"$ref":"http://example.com/definitions.json#/definitions/port"}}}`)
	n.step("a/10", "echo well")
	n.start(map[string]string{"AGENT_INSTALL_DIR": filepath.Join(n.dir, "install")})
	n.give("good", "a", map[string]any{"port": 80})
	n.give("bad", "a", map[string]any{"port": 80000})
	n.want("good", "exit_code", "0")
	n.want("bad", "exit_code", "10")
}

// Rule (section 1): "| `AGENT_STATE_DIR` | | working directory of the agent; holds `environment` |"
func TestStateDir(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setting, dir string }{
		"set":     {"state", "state"},
		"not set": {"", ""}, // it stays where it was started
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			dir := filepath.Join(n.dir, c.dir)
			n.file(filepath.Join(c.dir, "environment"), 0o644, "GREETING=hello\n")
			n.step("a/10", `pwd; echo "$GREETING"`)
			p := n.start(map[string]string{"AGENT_STATE_DIR": c.setting})
			n.do("1", "a")
			n.want("1", "output", dir+"\nhello\n")
			if got := n.mirrored(); got["GREETING"] != "hello" {
				t.Errorf("environment is %v", got)
			}
			if cwd, err := os.Readlink("/proc/" + p.pid() + "/cwd"); err != nil || !strings.HasSuffix(cwd, dir) {
				t.Errorf("the working directory is %s (%v)", cwd, err)
			}
		})
	}
}
