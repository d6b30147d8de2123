package protocol

import (
	"os"
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// handler makes a shell script a step of an event's handler.
func (n *node) handler(path, content string) {
	n.t.Helper()
	n.file("events/"+path, 0o755, "#!/bin/sh\n"+content+"\n")
}

// listens waits until an agent has subscribed to events.
func (n *node) listens() {
	n.t.Helper()
	eventually(n.t, "the subscription to events", func() bool {
		return n.redis.Admin().PubSubNumPat(n.t.Context()).Val() > 0
	})
}

// listening makes a node with an agent on it that hears events.
func listening(t *testing.T, env map[string]string) (*node, *process) {
	t.Helper()
	n := newNode(t)
	p := n.start(env)
	n.listens()
	return n, p
}

// publish sends an event.
func (n *node) publish(channel, payload string) {
	n.t.Helper()
	n.redis.Do(n.t, "publish", channel, payload)
}

// handled wants the outcome of a handler in the log.
func (p *process) handled(t *testing.T, channel, outcome string) {
	t.Helper()
	level := "<6>"
	if !strings.HasPrefix(outcome, `"completed"`) {
		level = "<3>"
	}
	p.shows(t, "\n"+level+"Handler of "+channel+" exited with status "+outcome+"\n")
}

// Rule (section 5): "`PSUBSCRIBE */event/*`."
func TestEventsSubscription(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	monitor := n.redis.Monitor(t)
	n.start(nil)
	monitor.Until(func(c redistest.Command) bool {
		return strings.EqualFold(c.Words[0], "psubscribe") && len(c.Words) == 2 && c.Words[1] == "*/event/*"
	})
}

// Rule (section 5): "Channel `<source>/event/<name>`; the payload goes to the steps' stdin."
func TestEventPayload(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"JSON":     `{"node":1, "n":12345678901234567890}`,
		"nothing":  "",
		"text":     "no JSON\n",
		"bytes":    "\x00\xff\r\n",
		"megabyte": strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, p := listening(t, nil)
			n.handler("changed/10", "cat >../first")
			n.handler("changed/20", "true")
			n.handler("changed/30", "cat >../third")
			n.publish("module/m9/event/changed", payload)
			p.handled(t, "module/m9/event/changed", `"completed" (0) at step 30`)
			if n.content("first") != payload || n.content("third") != payload {
				t.Errorf("stdin was %.100q and %.100q", n.content("first"), n.content("third"))
			}
		})
	}
}

// Rule (section 5): "Handlers
// are found and ordered as actions are"
func TestEventHandlersAreMerged(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for path, step := range map[string]string{
		"events/changed/20": "earlier 20", "events/changed/30": "earlier 30", "events/changed/B": "earlier B",
		"later/changed/10": "later 10", "later/changed/30": "later 30", "later/changed/a": "later a",
	} {
		n.file(path, 0o755, "#!/bin/sh\necho '"+step+"' >>../steps\n")
	}
	must(t, os.Mkdir(n.path("later/changed/15"), 0o755))
	p := n.startAs(agentID, []string{"--actionsdir", n.path("actions"), "--eventsdir", n.path("events"), "--eventsdir=" + n.path("later")}, nil)
	n.listens()
	n.publish("cluster/event/changed", "")
	p.handled(t, "cluster/event/changed", `"completed" (0) at step a`)
	if got := n.content("steps"); got != "later 10\nearlier 20\nlater 30\nearlier B\nlater a\n" {
		t.Errorf("steps were %q", got)
	}
}

// Rule (section 5): "Handlers
// are found and ordered as actions are, in the compiled-in registry and the `--eventsdir` directories"
//
// The node agent's own handler of vpn-changed, step 10apply_routes, refuses
// events of modules with code 2, before it looks at anything.
func TestEventHandlersAreCompiledIn(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/etc/nethserver"); err == nil {
		cannotRun(t, "this machine is a node of a cluster, and would be kept by the node agent of a test")
	}
	n := newNode(t)
	p := n.startAs("node/1", []string{"--actionsdir", n.path("actions"), "--eventsdir", n.path("events")}, nil)
	n.listens()
	n.publish("module/m1/event/vpn-changed", "")
	p.handled(t, "module/m1/event/vpn-changed", `"aborted" (2) at step 10apply_routes`)
	n.handler("vpn-changed/05before", "echo before >>../steps")
	n.publish("module/m2/event/vpn-changed", "")
	p.handled(t, "module/m2/event/vpn-changed", `"aborted" (2) at step 10apply_routes`)
	n.handler("vpn-changed/10apply_routes", "echo replaced >>../steps")
	n.handler("vpn-changed/20after", "echo after >>../steps")
	n.publish("module/m3/event/vpn-changed", "")
	p.handled(t, "module/m3/event/vpn-changed", `"completed" (0) at step 20after`)
	if got := n.content("steps"); got != "before\nbefore\nreplaced\nafter\n" {
		t.Errorf("steps were %q", got)
	}
}

// Rule (section 5): "Handlers
// are found and ordered as actions are"
//
// A step that cannot be started is skipped, with a warning.
func TestEventStepSkipped(t *testing.T) {
	t.Parallel()
	n, p := listening(t, nil)
	n.handler("changed/10", "echo 10 >>../steps")
	n.file("events/changed/20", 0o644, "")
	n.handler("changed/30", "echo 30 >>../steps")
	n.publish("cluster/event/changed", "")
	p.handled(t, "cluster/event/changed", `"completed" (0) at step 30`)
	p.warns(t, "Action changed skipped step 20: ")
	if got := n.content("steps"); got != "10\n30\n" {
		t.Errorf("steps were %q", got)
	}
}

// Rule (section 5): "no
// handler: silence."
func TestEventWithoutHandler(t *testing.T) {
	t.Parallel()
	n, p := listening(t, nil)
	n.handler("known/10", "")
	must(t, os.Mkdir(n.path("events/empty"), 0o755))
	n.file("events/file", 0o755, "#!/bin/sh\necho never\n")
	for _, channel := range []string{
		"cluster/event/unknown", "cluster/event/empty", "cluster/event/file", "cluster/event/", "/event/known",
		"cluster/event/known/10", "cluster/event/../events/known", "cluster/event/..", "cluster/event/.", "cluster/event/KNOWN",
		"cluster/event/a\nb", "cluster/event/" + strings.Repeat("x", 300), "cluster/event/nul\x00",
	} {
		n.publish(channel, "payload")
	}
	n.publish("cluster/event/known", "")
	p.handled(t, "cluster/event/known", `"completed" (0) at step 10`)
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.Contains(line, "cluster/event/known: known/10 is starting") && !strings.Contains(line, "Handler of cluster/event/known ") {
			t.Errorf("the log says %q", line)
		}
	}
}

// Rule (section 5): "Environment: agent's own, the `environment` file, `AGENT_COMFD=2`,
// `AGENT_EVENT_NAME`, `AGENT_EVENT_SOURCE`."
func TestEventEnvironment(t *testing.T) {
	t.Parallel()
	n, p := listening(t, map[string]string{"OWN": "own", "BOTH": "own"})
	n.file("state/environment", 0o644, "FILE=file\nBOTH=file\nAGENT_COMFD=9\nAGENT_EVENT_NAME=file\nAGENT_EVENT_SOURCE=file\n")
	n.handler("changed/10", `echo "$OWN $FILE $BOTH $AGENT_COMFD $AGENT_EVENT_NAME $AGENT_EVENT_SOURCE" >../first
		echo "${AGENT_TASK_ID-unset} $(pwd -P)" >../where; echo FILE=new >environment`)
	n.handler("changed/20", `echo "$FILE $BOTH" >../second`)
	n.publish("module/m9/event/changed", "")
	p.handled(t, "module/m9/event/changed", `"completed" (0) at step 20`)
	if got := n.content("first") + n.content("second"); got != "own file file 2 changed module/m9\nnew own\n" {
		t.Errorf("the environment was %q", got)
	}
	if got := n.content("where"); !strings.HasPrefix(got, "unset ") || !strings.HasSuffix(got, "/state\n") {
		t.Errorf("task id and working directory were %q", got)
	}
}
