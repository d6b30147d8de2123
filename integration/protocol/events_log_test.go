package protocol

import (
	"strings"
	"testing"
)

// Rule (section 5): "stdout and stderr go to the agent's stderr, commands too."
func TestEventOutput(t *testing.T) {
	t.Parallel()
	n, p := listening(t, nil)
	n.handler("changed/10", `echo "to stdout"; echo "to stderr" >&2; echo set-progress 50 >&$AGENT_COMFD; echo set-status validation-failed >&$AGENT_COMFD
		test -e /proc/self/fd/3 && echo "has a command channel"; printf "no end of line"`)
	n.handler("changed/20", "echo ' goes on'")
	n.publish("cluster/event/changed", "")
	p.handled(t, "cluster/event/changed", `"completed" (0) at step 20`)
	for _, text := range []string{"to stdout\n", "to stderr\n", "set-progress 50\n", "set-status validation-failed\n", "no end of line"} {
		if !strings.Contains(p.stderr.String(), text) {
			t.Errorf("the agent's stderr lacks %q", text)
		}
	}
}

// Rule (section 5): "The first failing step ends the handler; the outcome is only logged:
//
//	Handler of <source>/event/<name> exited with status "completed" (0) at step <step>
//	Handler of <source>/event/<name> exited with status "aborted" (2) at step <step>"
func TestEventOutcome(t *testing.T) {
	t.Parallel()
	n, p := listening(t, nil)
	for name, c := range map[string]struct{ script, outcome string }{
		"well":     {"", `"completed" (0) at step 30`},
		"one":      {"exit 1", `"aborted" (1) at step 20`},
		"two":      {"exit 2", `"aborted" (2) at step 20`},
		"high":     {"exit 255", `"aborted" (255) at step 20`},
		"killed":   {"kill -9 $$", `"aborted" (137) at step 20`},
		"with a b": {"exit 3", `"aborted" (3) at step 20`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.handler(name+"/10", "")
			n.handler(name+"/20", c.script)
			n.handler(name+"/30", "touch '../"+name+" went on'")
			n.publish("module/m9/event/"+name, "")
			p.handled(t, "module/m9/event/"+name, c.outcome)
			if went := n.isFile(name + " went on"); went != (name == "well") {
				t.Errorf("the last step ran: %v", went)
			}
		})
	}
}

// Rule (section 5): "the outcome is only logged:"
//
// Redis does not hear of it.
func TestEventOutcomeIsOnlyLogged(t *testing.T) {
	t.Parallel()
	n, p := listening(t, nil)
	n.file("state/environment", 0o644, "A=1\n")
	n.handler("changed/10", "exit 1")
	n.publish("cluster/event/changed", `{"id":"1","action":"a"}`)
	p.handled(t, "cluster/event/changed", `"aborted" (1) at step 10`)
	if keys := n.redis.Admin().Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("Redis has %q", keys)
	}
}

// Rule (section 5): "Over `MAX_CONCURRENCY`: `Agent is busy. Event <channel> rejected!`."
func TestEventRejected(t *testing.T) {
	t.Parallel()
	n, p := listening(t, map[string]string{"MAX_CONCURRENCY": "2", "OVERLOAD_SLEEP": "50ms"})
	n.handler("long/10", "until test -e ../go-on; do sleep 0.01; done")
	n.handler("short/10", "")
	n.step("a/10", "echo task")
	n.publish("cluster/event/long", "")
	n.publish("node/1/event/long", "")
	n.publish("node/2/event/short", "")
	n.publish("node/2/event/unknown", "") // has no handler, and needs no slot
	p.shows(t, "Agent is busy. Event node/2/event/short rejected!\n")
	n.client(t).run("a", "").goesWell("task\n") // tasks are counted apart
	n.file("go-on", 0o644, "")
	p.handled(t, "cluster/event/long", `"completed" (0) at step 10`)
	p.handled(t, "node/1/event/long", `"completed" (0) at step 10`)
	n.publish("node/3/event/short", "")
	p.handled(t, "node/3/event/short", `"completed" (0) at step 10`)
	if text := p.stderr.String(); strings.Contains(text, "unknown") || strings.Contains(text, "Handler of node/2/event/short") {
		t.Error("the log tells of events that nobody handled")
	}
}

// Rule (section 5): "Redis PUBLISH is not stored: an agent that was away misses events."
//
// It listens again as soon as Redis is back.
func TestEventsAfterRedisWasAway(t *testing.T) {
	t.Parallel()
	n, p := listening(t, map[string]string{"AGENT_POLLING_INTERVAL": "200ms"})
	n.handler("changed/10", "")
	n.redis.Stop(t)
	n.redis.Restart(t)
	n.listens()
	n.publish("cluster/event/changed", "")
	p.handled(t, "cluster/event/changed", `"completed" (0) at step 10`)
}

// An event that follows another does not wait for the handler of that one.
func TestEventsAtTheSameTime(t *testing.T) {
	t.Parallel()
	n, p := listening(t, nil)
	n.handler("long/10", "until test -e ../go-on; do sleep 0.01; done")
	n.handler("short/10", "touch ../go-on")
	n.publish("cluster/event/long", "")
	n.publish("cluster/event/short", "")
	p.handled(t, "cluster/event/short", `"completed" (0) at step 10`)
	p.handled(t, "cluster/event/long", `"completed" (0) at step 10`)
}
