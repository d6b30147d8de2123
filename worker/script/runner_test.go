package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cluster-agent/worker"
)

// TestStreams: stdin is the data, stdout the output, stderr the error text and,
// at the same time, on the agent's own.
func TestStreams(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{`{"n":1.50}`: `{"n":1.50}`, "null": "null", `"ü"`: `"ü"`} {
		a := start(t)
		a.step("10", "cat; echo err >&2")
		got := a.do(data)
		if got.ExitCode != 0 || string(got.Output) != want || string(got.Error) != "err\n" || a.stderr.String() != "err\n" {
			t.Errorf("%s: got %d %q %q", data, got.ExitCode, got.Output, got.Error)
		}
	}
}

// TestNoData: a task without data reads null.
func TestNoData(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.step("10", "cat")
	a.Push(t, `{"id":"1","action":"a"}`)
	if got := string(a.Result(t, "1").Output); got != "null" {
		t.Fatalf("read %q", got)
	}
}

// TestLargeInput: it may be read, or not, or in part.
func TestLargeInput(t *testing.T) {
	t.Parallel()
	data := `"` + strings.Repeat("x", 1e6) + `"`
	for script, want := range map[string]string{"wc -c": "1000002\n", "exit 0": "", "head -c 3": `"xx`, "exec <&-; echo closed": "closed\n"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.step("10", script)
			if got := a.do(data); got.ExitCode != 0 || string(got.Output) != want {
				t.Fatalf("got %d %q", got.ExitCode, got.Output)
			}
			if a.logged("pipe of a step") {
				t.Error("the log complains")
			}
		})
	}
}

// TestEnvironment: the agent's own, then the file, read again before every step,
// then what belongs to the task; the later wins.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.Environ = append(a.runner.Environ, "OWN=agent", "BOTH=agent", "AGENT_TASK_USER=agent", "AGENT_COMFD=9")
	a.file("environment", 0o644, "BOTH=file\nFILE=two words\nAGENT_TASK_ID=file\n")
	show := `echo "$OWN|$BOTH|$FILE|$AGENT_TASK_ID|$AGENT_TASK_ACTION|$AGENT_TASK_USER|$AGENT_COMFD"`
	a.step("10", show+"\necho FILE=changed >"+filepath.Join(a.dir, "environment"))
	a.step("20", show+"\nrm "+filepath.Join(a.dir, "environment"))
	a.step("30", show)
	a.want(0, "agent|file|two words|t1|a|joe|3\nagent|agent|changed|t1|a|joe|3\nagent|agent||t1|a|joe|3\n")
}

// TestUnreadableEnvironment is a failure of the step, which says why.
func TestUnreadableEnvironment(t *testing.T) {
	t.Parallel()
	a := start(t)
	must(t, os.Mkdir(filepath.Join(a.dir, "environment"), 0o755))
	a.step("10", "echo never")
	if got := a.do("null"); got.ExitCode != 1 || !strings.Contains(string(got.Error), "read environment") || len(got.Output) != 0 {
		t.Fatalf("got %d %q", got.ExitCode, got.Error)
	}
}

// TestTimerSlack: a step has the one that the runner says, whichever thread starts it.
func TestTimerSlack(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.TimerSlack = 123_456
	a.step("10", "cat /proc/self/timerslack_ns")
	a.want(0, "123456\n")
}

// TestWorkingDirectory: a step runs in the agent's, as the leader of a process
// group of its own.
func TestWorkingDirectory(t *testing.T) {
	t.Parallel()
	a := start(t)
	here, err := os.Getwd()
	must(t, err)
	a.step("10", `pwd -P; set -- $(cat /proc/$$/stat); test "$5" = $$ && echo leader`)
	a.want(0, here+"\nleader\n")
}

// TestExitCodes: a step's code ends the action, death by signal n is 128+n.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for script, code := range map[string]int{
		"exit 0": 0, "exit 1": 1, "exit 7": 7, "exit 32": 32, "exit 255": 255,
		"kill -9 $$": 137, "kill -TERM $$": 143, "kill -SEGV $$": 139,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.step("10", script)
			a.step("20", "echo went on")
			want := ""
			if code == 0 {
				want = "went on\n"
			}
			a.want(code, want)
		})
	}
}

// TestSkipped: a step that cannot be started at its turn is skipped, with a
// warning in the log and in the error text, and counts as done.
func TestSkipped(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(a *agent){
		"not executable":       func(a *agent) { a.file("actions/a/20", 0o644, "#!/bin/sh\necho never\n") },
		"no #! line":           func(a *agent) { a.file("actions/a/20", 0o755, "echo never\n") },
		"no such interpreter":  func(a *agent) { a.file("actions/a/20", 0o755, "#!/nowhere/sh\n") },
		"an empty file":        func(a *agent) { a.file("actions/a/20", 0o755, "") },
		"no program at all":    func(a *agent) { a.file("actions/a/20", 0o755, "\x7fELF rubbish") },
		"a link to nothing":    func(a *agent) { must(a.t, os.Symlink("/nowhere", filepath.Join(a.dir, "actions/a/20"))) },
		"gone before its turn": func(a *agent) { a.step("20", "echo never"); a.step("10", `printf 1; rm "`+a.dir+`/actions/a/20"`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.step("10", "printf 1")
			a.step("30", "printf 3")
			spoil(a)
			got := a.do("null")
			if got.ExitCode != 0 || string(got.Output) != "13" || got.Final.Percent != 100 {
				t.Fatalf("got %d %q %+v", got.ExitCode, got.Output, got.Final)
			}
			if !strings.HasPrefix(string(got.Error), "Action a skipped step 20: ") {
				t.Errorf("error text is %q", got.Error)
			}
			a.wantLogged("Action a skipped step 20: ")
			if told := fmt.Sprint(a.Told("t1")); !strings.Contains(told, "{running 66}") {
				t.Errorf("told %s", told)
			}
		})
	}
}

// TestCannotBeStarted: what is no fault of the step's file does not skip it, for
// nobody would notice.
func TestCannotBeStarted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ user, environment string }{
		"a task that fits into no environment": {`joe\u0000`, ""},
		"an environment too large":             {"joe", "LARGE=" + strings.Repeat("x", 1<<18)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.file("environment", 0o644, c.environment)
			a.step("10", "echo never")
			a.Push(t, `{"id":"1","action":"a","user":"`+c.user+`"}`)
			got := a.Result(t, "1")
			if got.ExitCode != 9 || got.Final.Status != worker.Aborted || !strings.HasPrefix(string(got.Error), "start step: ") {
				t.Fatalf("got %d %+v %q", got.ExitCode, got.Final, got.Error)
			}
		})
	}
}

// TestSharedOutput: a step that prints without end is bounded, and goes on.
func TestSharedOutput(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *worker.Config) { c.OutputLimit = 1 << 10 })
	a.step("10", "head -c 100000000 /dev/zero; echo err >&2")
	a.step("20", "printf more")
	got := a.do("null")
	if got.ExitCode != 0 || len(got.Output) != 1<<10 {
		t.Fatalf("got %d and %d bytes", got.ExitCode, len(got.Output))
	}
	if want := "err\nThe output was cut after 1024 bytes: 99998980 more were dropped\n"; string(got.Error) != want {
		t.Fatalf("error text is %q", got.Error)
	}
}
