package protocol

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// Rule (section 1): "An agent has an id: `cluster`, `node/N` or `module/NAME`."
func TestAgentID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"cluster", "node/1", "module/m1"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			noMember(t)
			n := newNodeOf(t, id)
			n.start(nil)
			n.do("1", "list-actions")
			if code := n.get("1", "exit_code"); code != "0" {
				t.Fatalf("exit code %s: %s", code, n.get("1", "error"))
			}
		})
	}
}

// Rule (section 1): "Flags can be repeated; an empty value is ignored; `--flag=value` and
// `--flag value` both work."
func TestFlags(t *testing.T) {
	t.Parallel()
	const id, a1, a2, e1, e2 = agentID, "a1", "a2", "e1", "e2"
	for name, args := range map[string][]string{
		"repeated, with =": {"--agentid=" + id, "--actionsdir=" + a1, "--actionsdir=" + a2, "--eventsdir=" + e1, "--eventsdir=" + e2},
		"repeated, apart":  {"--eventsdir", e1, "--eventsdir", e2, "--actionsdir", a1, "--actionsdir", a2, "--agentid", id},
		"mixed":            {"--actionsdir", a1, "--eventsdir=" + e1, "--agentid=" + id, "--actionsdir=" + a2, "--eventsdir", e2},
		"empty, with =": {
			"--agentid=", "--actionsdir=", "--eventsdir=", "--agentid=" + id, "--actionsdir=" + a1, "--eventsdir=" + e1,
			"--actionsdir=" + a2, "--eventsdir=" + e2, "--agentid=", "--actionsdir=", "--eventsdir=",
		},
		"empty, apart": {
			"--agentid", "", "--actionsdir", "", "--eventsdir", "", "--agentid", id, "--actionsdir", a1, "--eventsdir", e1,
			"--actionsdir", a2, "--eventsdir", e2, "--agentid", "", "--actionsdir", "", "--eventsdir", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			for _, folder := range []string{a1 + "/one", a2 + "/two", e1 + "/first", e2 + "/second"} {
				n.file(folder+"/10", 0o755, "#!/bin/sh\n")
			}
			p := n.launch(nil, args...)
			n.do("1", "list-actions")
			if got, want := n.get("1", "output"), `["cancel-task","list-actions","one","two"]`; !sameJSONSet(t, want, got) {
				t.Errorf("actions are %s, want %s", got, want)
			}
			n.announced("cluster/event/first", "cluster/event/second")
			p.says("Handler of cluster/event/first exited")
			p.says("Handler of cluster/event/second exited")
		})
	}
}

// announced publishes events as soon as somebody listens for them.
func (n *node) announced(channels ...string) {
	n.t.Helper()
	until(n.t, "the agent listens for events", func() bool { return n.listeners() > 0 })
	for _, channel := range channels {
		n.redis.Do(n.t, "publish", channel, "{}")
	}
}

func (n *node) listeners() int64 {
	n.t.Helper()
	count, ok := n.redis.Do(n.t, "pubsub", "numpat").(int64)
	if !ok {
		n.t.Fatal("PUBSUB NUMPAT gave no number")
	}
	return count
}

// Rule (section 1): "Without `--agentid` or without any `--actionsdir`
// the process logs at level emergency and exits 1."
func TestMissingFlags(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no flag at all":     nil,
		"no agent id":        {"--actionsdir=actions"},
		"empty agent id":     {"--agentid=", "--actionsdir=actions"},
		"no directory":       {"--agentid=module/m1"},
		"empty directories":  {"--agentid=module/m1", "--actionsdir=", "--actionsdir", ""},
		"only an events dir": {"--agentid=module/m1", "--eventsdir=events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newNode(t).launch(nil, args...)
			if _, signal, code := p.end(); signal != 0 || code != 1 {
				t.Errorf("signal %d, exit code %d", signal, code)
			}
			text := p.stderr.String()
			if text == "" {
				t.Error("it says nothing")
			}
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "<0>") {
					t.Errorf("line %q is not of level emergency", line)
				}
			}
		})
	}
}

// Rule (section 1): "Every Redis connection is named with the agent id (`CLIENT SETNAME`)."
func TestConnectionNames(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, agentID, adminLine)
	gate := n.gate()
	n.step("wait/10", ready+gate.wait())
	monitor := n.redis.Monitor(t)
	n.start(map[string]string{"AGENT_POLLING_INTERVAL": "1s"})
	const tasks = 8
	for i := range tasks {
		n.push(map[string]any{"id": strconv.Itoa(i), "action": "wait"})
	}
	seen := monitor.Until(times(tasks, func(c redistest.Command) bool { return strings.Contains(spoken(c), `"progress":10`) }))
	gate.open()
	seen = append(seen, monitor.Until(times(tasks, begins("exec")))...)
	n.wantNamed(seen)
	until(t, "all connections have its name", func() bool {
		all := foreign(slices.Concat(links(t, n.redis, "normal"), links(t, n.redis, "pubsub")))
		return !slices.ContainsFunc(all, func(l link) bool { return l["name"] != agentID })
	})
}

// wantNamed wants each of the agent's connections to begin with its name.
func (n *node) wantNamed(seen []redistest.Command) {
	n.t.Helper()
	own := n.ownAddresses()
	begun := map[string]string{}
	for _, command := range seen {
		line := spoken(command)
		greeting := strings.HasPrefix(line, "hello") || strings.HasPrefix(line, "auth")
		if _, known := begun[command.Client]; !known && !greeting && !slices.Contains(own, command.Client) {
			begun[command.Client] = line
		}
	}
	// One to take tasks, one to be seen, one for events, and at least one for results.
	if len(begun) < 4 {
		n.t.Errorf("only %d connections: %v", len(begun), begun)
	}
	for client, line := range begun {
		if line != "client setname "+n.id {
			n.t.Errorf("connection %s begins with %s", client, line)
		}
	}
}

func (n *node) ownAddresses() []string {
	n.t.Helper()
	var own []string
	for _, kind := range []string{"normal", "pubsub"} {
		for _, l := range links(n.t, n.redis, kind) {
			if l["user"] == "admin" {
				own = append(own, l["addr"])
			}
		}
	}
	return own
}

// Rule (section 1): "Events are
// listened for as user `default` with the agent id as password (the default user
// accepts any password and may only read and subscribe)."
func TestEventsUser(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, agentID, adminLine,
		"user "+agentID+" on >secret ~* &* +@all",
		// Here it accepts this one password, so that no other can have been given.
		"user default on >"+agentID+" resetkeys ~* resetchannels &* nocommands +@read +@connection +subscribe +psubscribe")
	n.file("events/greeting/10", 0o755, "#!/bin/sh\n")
	p := n.start(map[string]string{"REDIS_PASSWORD": "secret"})
	n.announced("cluster/event/greeting")
	p.says("Handler of cluster/event/greeting exited")
	listening := foreign(links(t, n.redis, "pubsub"))
	if len(listening) != 1 || listening[0]["user"] != "default" || listening[0]["name"] != agentID {
		t.Errorf("listens with %v", listening)
	}
}
