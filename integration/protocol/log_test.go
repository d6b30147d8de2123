package protocol

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Rule (section 6): "The log is stderr, one line each, with an sd-daemon(3) prefix `<0>`…`<7>` for the level, so that journald files it
// right."
func TestLogLines(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]func(*node){
		"a task that goes well": func(n *node) { n.do("1", "good") },
		"a task that fails":     func(n *node) { n.do("1", "bad") },
		"no such action":        func(n *node) { n.do("1", "unknown") },
		"a step is skipped":     func(n *node) { n.do("1", "skipped") },
		"bad input":             func(n *node) { n.give("1", "checked", 5) },
		"bad output":            func(n *node) { n.give("1", "checked", "text") },
		"a broken schema":       func(n *node) { n.do("1", "broken") },
		"a builtin":             func(n *node) { n.do("1", "list-actions") },
		"a builtin that fails":  func(n *node) { n.do("1", "cancel-task") },
		"no task":               func(n *node) { n.redis.Do(n.t, "lpush", agentID+"/tasks", "no task"); n.do("1", "list-actions") },
		"an event":              func(n *node) { n.announced("cluster/event/good", "cluster/event/bad"); n.do("1", "list-actions") },
		"an id of two lines":    func(n *node) { n.do("one\n<6>two", "good") },
		"an action of two":      func(n *node) { n.do("1", "one\n<6>two") },
		"a forged line":         func(n *node) { n.do("1", "one\ntask/module/m1/two: forged") },
		"a forged event":        func(n *node) { n.announced("one\nforged/event/good"); n.do("1", "list-actions") },
		"Redis is away":         func(n *node) { n.do("1", "good"); n.answered(); n.redis.Stop(n.t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTalkativeNode(t)
			p := n.start(nil)
			cause(n)
			p.drain()
			if p.stderr.String() == "" {
				t.Error("the log is empty")
			}
			form, forged := regexp.MustCompile(`^<[0-7]>[^<]`), regexp.MustCompile(`^<[0-7]>(task/module/m1/two|forged)`)
			for line := range strings.Lines(p.stderr.String()) {
				if !form.MatchString(line) || !strings.HasSuffix(line, "\n") || strings.HasPrefix(line, "<6>two") || forged.MatchString(line) {
					t.Errorf("%q is no line of a log", line)
				}
			}
		})
	}
}

// answered returns when Redis has answered all that it was asked before. Who hears of a task's end may do so before the
// agent does, and an agent that has not heard that a result is stored stays until it is.
func (n *node) answered() { n.redis.Do(n.t, "ping") }

// newTalkativeNode has actions and events that end in many ways, whose steps
// print nothing themselves.
func newTalkativeNode(t *testing.T) *node {
	t.Helper()
	n := newNode(t)
	n.step("good/10", "echo set-status nonsense >&$AGENT_COMFD")
	n.step("bad/10", "exit 7")
	n.file("actions/skipped/10", 0o644, "not executable")
	n.step("checked/10", "cat")
	n.file("actions/checked/validate-input.json", 0o644, `{"type":"string"}`)
	n.file("actions/checked/validate-output.json", 0o644, `{"type":"number"}`)
	n.step("broken/10", "true")
	n.file("actions/broken/validate-input.json", 0o644, `{`)
	n.file("events/good/10", 0o755, "#!/bin/sh\nexit 0\n")
	n.file("events/bad/10", 0o755, "#!/bin/sh\nexit 7\n")
	return n
}

// Rule (section 6): "an sd-daemon(3) prefix `<0>`…`<7>` for the level"
func TestLogLevels(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("good/10", "echo set-progress x >&$AGENT_COMFD")
	n.step("bad/10", "exit 7")
	p := n.start(nil)
	n.redis.Do(t, "lpush", agentID+"/tasks", "no task")
	n.do("1", "good")
	n.do("2", "bad")
	p.drain()
	for text, prefix := range map[string]string{
		"Task ignored for decoding error": "<4>", // sd-daemon(3): warning
		`command "set-progress x"`:        "<4>",
		"1: good/10 is starting":          "<6>", // informational
		`action "good" status is`:         "<6>",
		`action "bad" status is`:          "<3>", // error
	} {
		if lines := p.lines(text); len(lines) != 1 || !strings.HasPrefix(lines[0], prefix) {
			t.Errorf("%s: logged as %q, want %s", text, lines, prefix)
		}
	}
}

// TestLogLevelIsSet: an operator may want to see more than the protocol tells of, or less.
func TestLogLevelIsSet(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"debug": "3467", "info": "346", "warning": "34", "error": "3"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("good/10", "true")
			n.step("bad/10", "exit 7")
			p := n.start(map[string]string{"AGENT_LOG_LEVEL": level})
			until(t, "the agent is seen", n.alive)
			n.redis.Do(t, "client", "kill", "type", "normal") // the agent's, not the test's own
			if level == "debug" {
				p.says("<7>presence: ")
			}
			n.redis.Do(t, "lpush", agentID+"/tasks", "no task")
			n.do("1", "good")
			n.do("2", "bad")
			p.drain()
			if got := p.levels(); got != want {
				t.Errorf("lines of levels %s, want %s:\n%s", got, want, p.stderr)
			}
		})
	}
}

// levels are those of the lines in the log, each once: digits in ascending order.
func (p *process) levels() string {
	var levels []byte
	for line := range strings.Lines(p.stderr.String()) {
		if len(line) > 2 && line[0] == '<' && line[2] == '>' {
			levels = append(levels, line[1])
		}
	}
	slices.Sort(levels)
	return string(slices.Compact(levels))
}

// Rule (section 6): "Lines that operators and tests look for:
//
//	task/<agent id>/<task id>: <action>/<step> is starting
//	task/<agent id>/<task id>: action "<action>" status is "<status>" (<exit code>) at step <step>"
func TestLogOfTasks(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("good/10first", "true")
	n.step("good/20second", "true")
	n.step("bad/10first", "exit 7")
	n.step("bad/20never", "true")
	n.step("invalid/10check", "echo set-status validation-failed >&$AGENT_COMFD; exit 3")
	n.step("killed/10", "kill -9 $$")
	p := n.start(nil)
	for id, action := range map[string]string{"1": "good", "2": "bad", "3": "invalid", "4": "killed", "5": "list-actions", "6": "cancel-task", "7": "unknown"} {
		n.do(id, action)
	}
	p.drain()
	for _, line := range []string{
		"task/module/m1/1: good/10first is starting\n",
		"task/module/m1/1: good/20second is starting\n",
		"task/module/m1/1: action \"good\" status is \"completed\" (0) at step 20second\n",
		"task/module/m1/2: bad/10first is starting\n",
		"task/module/m1/2: action \"bad\" status is \"aborted\" (7) at step 10first\n",
		"task/module/m1/3: invalid/10check is starting\n",
		"task/module/m1/3: action \"invalid\" status is \"validation-failed\" (3) at step 10check\n",
		"task/module/m1/4: action \"killed\" status is \"aborted\" (137) at step 10\n",
		"task/module/m1/5: action \"list-actions\" status is \"completed\" (0) at step ",
		"task/module/m1/6: action \"cancel-task\" status is \"validation-failed\" (10) at step ",
		"task/module/m1/7: action \"unknown\" status is \"aborted\" (8) at step ",
	} {
		if count := strings.Count(p.stderr.String(), ">"+line); count != 1 {
			t.Errorf("the log has %d lines %q", count, line)
		}
	}
	if lines := p.lines("bad/20never"); len(lines) > 0 {
		t.Errorf("a step that never ran: %q", lines)
	}
}

// Rule (section 6): "Secrets never reach the log."
func TestNoSecretsInTheLog(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, agentID, adminLine, "user "+agentID+" on >hush-redis ~* &* +@all")
	n.file("state/environment", 0o644, "DB_PASSWORD=hush-environment\n")
	n.file("actions/checked/validate-input.json", 0o644, `{"properties":{
		"password":{"maxLength":3,"pattern":"^x","format":"ipv4"},"token":{"enum":["a"],"const":"b"},"key":{"type":"integer","not":{"type":"string"}},
		"list":{"maxItems":0,"items":{"additionalProperties":false,"anyOf":[{"minProperties":2},{"properties":{"pass":{"type":"null"}}}]}}}}`)
	n.step("checked/10", "true")
	n.step("show/10", "cat >/dev/null")
	n.step("failing/10", "exit 3")
	n.file("actions/broken/validate-output.json", 0o644, `{"type":"object","additionalProperties":false}`)
	n.step("broken/10", "cat")
	n.file("actions/torn/10", 0o755, "no script, no binary")
	n.file("events/told/10", 0o755, "#!/bin/sh\nexit 2\n")
	p := n.start(map[string]string{"REDIS_PASSWORD": "hush-redis", "AGENT_LOG_LEVEL": "debug"})
	data := map[string]any{"password": "hush-data", "token": "hush-token", "key": "hush-key", "list": []any{map[string]any{"pass": "hush-deep"}}}
	for _, action := range []string{"checked", "show", "failing", "broken", "torn", "unknown", "list-actions", "cancel-task"} {
		n.give(action, action, data)
	}
	for _, payload := range []string{
		`{"password":"hush-payload"`, `{"id":1,"action":"show","data":{"password":"hush-payload"}}`,
		`{"action":"x","data":{"password":"hush-payload"}}`, `"hush-payload"`, `hush-payload`,
	} {
		n.redis.Do(t, "lpush", agentID+"/tasks", payload)
	}
	until(t, "all are told of", func() bool { return len(p.lines("Task ignored")) == 5 })
	n.announced()
	n.redis.Do(t, "publish", "cluster/event/told", `{"password":"hush-event"}`)
	p.says("Handler of cluster/event/told exited")
	stranger := n.start(map[string]string{"REDIS_PASSWORD": "hush-wrong", "AGENT_LOG_LEVEL": "debug"})
	stranger.says("WRONGPASS")
	if lines := append(p.lines("hush"), stranger.lines("hush")...); len(lines) > 0 {
		t.Errorf("the log tells %q", lines)
	}
}

// TestInterruptedSecrets: what an agent's next life says of a task is no
// exception.
//
// Rule (section 6): "Secrets never reach the log."
func TestInterruptedSecrets(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("wait/10", "echo $$ >../pid; "+ready+"exec sleep 60")
	p := n.start(nil)
	working := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait", "data": map[string]any{"password": "hush"}})
	working(`"progress":10`)
	p.signal(syscall.SIGKILL)
	p.end()
	n.killLeftBehind("pid")
	must(t, os.Remove(filepath.Join(n.dir, "pid")))
	next := n.start(nil)
	working()
	next.drain()
	if lines := append(p.lines("hush"), next.lines("hush")...); len(lines) > 0 {
		t.Errorf("the log tells %q", lines)
	}
}

// TestLogWithoutReader: an agent outlives the reader of its log, and steps that print into it; to
// them a broken pipe is what it is to others.
//
// Rule (section 6): "The log is stderr, one line each"
func TestLogWithoutReader(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("print/10", "echo printed >&2")
	n.step("pipe/10", "kill -PIPE $$")
	reader, writer, err := os.Pipe()
	must(t, err)
	must(t, reader.Close())
	cmd := n.command(nil, "--agentid="+n.id, "--actionsdir", filepath.Join(n.dir, "actions"))
	cmd.Stderr = writer
	must(t, cmd.Start())
	must(t, writer.Close())
	t.Cleanup(func() {
		must(t, cmd.Process.Kill())
		if err := cmd.Wait(); !strings.Contains(fmt.Sprint(err), "killed") {
			t.Errorf("the agent ended by itself: %v", err)
		}
	})
	for id, want := range map[string][2]string{"1": {"print", "0"}, "2": {"pipe", "141"}} {
		n.do(id, want[0])
		n.want(id, "exit_code", want[1])
	}
	n.want("1", "error", "printed\n")
}
