package protocol

import (
	"strings"
	"testing"
)

// Rule (section 2): "The keys and channel of a task, with `K = task/<agent id>/<task id>`:"
//
// Whatever the id holds. It never breaks a line of the log.
func TestTaskIDs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", `printf '<%s>' "$AGENT_TASK_ID"; echo words >&2`)
	p := n.start(nil)
	for _, id := range []string{
		"a/b", "/", "../../x", "..", ".", "a b", " ", `"q"`, `'q'`, "`q`$(q)", "a\nb", "a\r\n<0>b", "\t", "é😀", "*", "[a-z]", "{}", "\\",
		"%s%d", "\u2028", "\u00a0", "-n", strings.Repeat("long", 1000),
	} {
		t.Run(id[:min(len(id), 10)], func(t *testing.T) {
			t.Parallel()
			n.client(t).order(map[string]any{"id": id, "action": "a"}).goesWell("<" + id + ">").errs("words\n").
				tells("pending 0, running 0, running 100, completed 100")
		})
	}
	t.Cleanup(func() {
		for line := range strings.Lines(p.stderr.String()) {
			if !strings.HasPrefix(line, "<6>task/"+agentID+"/") && line != "words\n" {
				t.Errorf("the log has the line %q", line)
			}
		}
	})
}

// Rule (section 2): "A payload that is not such an object is dropped with
// the log line `Task ignored for decoding error: <reason>`"
//
// Without an id nobody could be told of it. The agent goes on.
func TestTasksWithoutAnID(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "echo never")
	p := n.start(nil)
	payloads := []string{
		`{"id":"","action":"a"}`, `{"action":"a"}`, `{"id":5,"action":"a"}`,
		`{"id":"1","action":["a"]}`, `{"id":null,"action":"a"}`, `{}`, `[]`, `null`, `"a"`, `1`, ``, `{"id":"1","action":"a"`,
		`{"id":"1","action":"a"} {}`, "\x00", "\xff\xfe", strings.Repeat("[", 20_000),
	}
	for _, payload := range payloads {
		n.redis.Do(t, "lpush", agentID+"/tasks", payload)
	}
	n.client(t).run("list-actions", "").ends("completed", "0")
	until(t, "a warning tells of each", func() bool { return len(p.lines("<4>Task ignored for decoding error: ")) == len(payloads) })
	n.wantNothingInProgress()
	if keys := n.redis.Admin().Keys(t.Context(), "task/"+agentID+"/1/*").Val(); len(keys) > 0 {
		t.Errorf("Redis has %q", keys)
	}
}

// Rule (section 3): "An action without any step ends at once"
//
// One without a name is such an action: its client gets an answer.
func TestTasksWithoutAnAction(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("actions/10", 0o755, "#!/bin/sh\necho never\n")
	c.order(map[string]any{"id": "1", "action": ""}).ends("aborted", "8").prints("").errs("Action  is not defined\n")
	c.order(map[string]any{"id": "2"}).ends("aborted", "8").prints("").errs("Action  is not defined\n")
}

// Rule (section 3): "every regular file of `DIR/<action>/` is a step"
//
// An action's name, which comes from Redis, leads nowhere else.
func TestActionNames(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, path := range []string{"actions/a/10", "actions/a/b/10", "outside/10", "actions/10", "10"} {
		n.file(path, 0o755, "#!/bin/sh\necho never\n")
	}
	p := n.start(nil)
	for _, name := range []string{
		"..", ".", "/", "./a", "a/", "a/.", "a/b", "../outside", "../actions/a", "a/../a", n.path("outside"), "a\x00", "\x00", "A", "a ",
		" a", "a*", "?", `"a"`, "a\nb", "$(a)", "é", strings.Repeat("x", 255), strings.Repeat("x", 5000), "list-actions ", "Cancel-Task",
	} {
		t.Run(name[:min(len(name), 10)], func(t *testing.T) {
			t.Parallel()
			n.client(t).run(name, "").ends("aborted", "8").prints("").errs("Action " + name + " is not defined\n").tells("pending 0, aborted 0")
		})
	}
	for _, name := range []string{"with space", "ünï😀", `"quoted"`, "$HOME", "-x", "a\tb", ".hidden", "a.b", "..."} {
		t.Run("is one "+name, func(t *testing.T) {
			t.Parallel()
			n.step(name+"/10", `printf '<%s>' "$AGENT_TASK_ACTION"`)
			n.client(t).run(name, "").goesWell("<" + name + ">").errs("")
		})
	}
	t.Cleanup(func() {
		if strings.Contains(p.stderr.String(), "never") {
			t.Error("an action's name led out of its folder")
		}
	})
}

// Rule (section 6): "The log is stderr, one line each, with an sd-daemon(3) prefix `<0>`…`<7>` for the level"
//
// Names come from Redis: none writes a line of its own into the log.
func TestNamesForgeNoLines(t *testing.T) {
	t.Parallel()
	const forged = "<0>forged"
	n := newNode(t)
	n.handler("a\n"+forged+"/10", "exit 1")
	n.file("events/a\n"+forged+"/20", 0o644, "")
	n.step("b\n"+forged+"/10\n"+forged, "exit 1")
	n.file("actions/b\n"+forged+"/05\n"+forged, 0o644, "")
	n.schema("c\n"+forged, "false")
	n.step("d/10", tell("boo \"\n"+forged+"\"")+"printf '%s\\r%s\\n' boo '"+forged+"' >&3")
	p := n.start(nil)
	n.listens()
	c := n.client(t)
	c.order(map[string]any{"id": "1\n" + forged, "action": "a\n" + forged}).ends("aborted", "8")
	c.order(map[string]any{"id": "2", "action": "b\n" + forged}).ends("aborted", "1")
	c.run("c\n"+forged, "").ends("validation-failed", "10")
	c.run("d", "").goesWell("")
	c.cancel("3\n"+forged).ends("validation-failed", "2")
	n.redis.Do(t, "lpush", agentID+"/tasks", "\n"+forged)
	n.publish("cluster\n"+forged+"/event/a\n"+forged, "")
	p.shows(t, "exited with status")
	for line := range strings.Lines(p.stderr.String()) {
		if strings.HasPrefix(line, forged) {
			t.Errorf("the log has the line %q", line)
		}
	}
}
