package script_test

import (
	"strings"
	"testing"
)

// handler makes a shell script a step of the handler of event ev.
func (a *agent) handler(name, content string) {
	a.t.Helper()
	a.file("events/ev/"+name, 0o755, "#!/bin/sh\n"+content+"\n")
}

// TestEvents: payload on stdin, everything printed on the agent's stderr, the
// commands too, which have no channel of their own.
func TestEvents(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.file("environment", 0o644, "FILE=1\n")
	a.handler("10", `cat; echo out; echo err >&2; echo set-progress 5 >&$AGENT_COMFD`)
	a.handler("20", `echo "$AGENT_COMFD|$AGENT_EVENT_NAME|$AGENT_EVENT_SOURCE|$FILE|$AGENT_TASK_ID"; test -e /proc/self/fd/3 || echo no channel`)
	a.events.Send("module/m2", "ev", "any \xff bytes\n")
	eventually(t, "the outcome is logged", func() bool {
		return a.logged(`Handler of module/m2/event/ev exited with status "completed" (0) at step 20`)
	})
	lines := strings.Split(a.stderr.String(), "\n")
	if got, want := len(lines), 7; got != want {
		t.Fatalf("stderr is %q", lines)
	}
	for _, line := range []string{"any \xff bytes", "out", "err", "set-progress 5", "2|ev|module/m2|1|", "no channel"} {
		if !strings.Contains(a.stderr.String(), line+"\n") {
			t.Errorf("stderr lacks %q: %q", line, lines)
		}
	}
}

// TestEventFails: the first failing step ends the handler.
func TestEventFails(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.handler("10", "exit 2")
	a.handler("20", "echo never")
	a.events.Send("node/1", "ev", "")
	eventually(t, "the outcome is logged", func() bool {
		return a.logged(`Handler of node/1/event/ev exited with status "aborted" (2) at step 10`)
	})
	if got := a.stderr.String(); got != "" {
		t.Fatalf("stderr is %q", got)
	}
}

// TestEventStopped: a handler gets TERM with the agent, and no outcome is logged.
func TestEventStopped(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.handler("10", "echo ready; exec sleep 60")
	a.events.Send("node/1", "ev", "")
	eventually(t, "the handler runs", func() bool { return a.stderr.String() == "ready\n" })
	a.stop()
	if a.logged("Handler of") || a.stderr.String() != "ready\n" {
		t.Fatalf("stderr is %q", a.stderr)
	}
}
