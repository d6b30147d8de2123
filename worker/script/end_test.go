package script_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/script"
)

// alive tells whether a process, whose number a script printed, still runs.
func alive(t *testing.T, pid string) bool {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func halfway() worker.Progress { return worker.Progress{Status: worker.Running, Percent: 50} }

// ready is what a script says when it is about to wait.
const ready = "echo set-progress 50 >&3; "

// TestCancel: TERM reaches the whole process group; the step's own exit code
// ends the action.
func TestCancel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		code   int
		output string
	}{
		"dies of it":    {ready + "exec sleep 60", 143, ""},
		"cleans up":     {"trap 'echo bye; exit 5' TERM; sh -c '" + ready + "exec sleep 60' & wait", 5, "bye\n"},
		"with children": {ready + "sleep 60 | sleep 60", 143, ""},
		"closed all":    {ready + "exec >&- 2>&- 3>&- <&-; exec sleep 60", 143, ""},
	} {
		for kernel, prepare := range script.Kernels() {
			t.Run(name+", "+kernel, func(t *testing.T) {
				t.Parallel()
				a := start(t)
				prepare(a.runner)
				a.step("10", c.script)
				id := a.push("null")
				a.WaitTold(t, id, halfway())
				a.Push(t, `{"id":"c","action":"cancel-task","data":{"task":"`+id+`"}}`)
				if got := a.Result(t, "c"); got.ExitCode != 0 {
					t.Fatalf("cancel-task came to %d", got.ExitCode)
				}
				got := a.Result(t, id)
				if got.ExitCode != c.code || string(got.Output) != c.output || got.Final.Status != worker.Aborted {
					t.Fatalf("got %d %q %+v", got.ExitCode, got.Output, got.Final)
				}
			})
		}
	}
}

// TestCancelReachesChildren: no process of the group is left.
func TestCancelReachesChildren(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.step("10", "sleep 60 & echo $!; sleep 60 & echo $!; "+ready+"wait")
	id := a.push("null")
	a.WaitTold(t, id, halfway())
	a.Push(t, `{"id":"c","action":"cancel-task","data":{"task":"`+id+`"}}`)
	children := strings.Fields(string(a.Result(t, id).Output))
	if len(children) != 2 {
		t.Fatalf("the children are %q", children)
	}
	for _, pid := range children {
		eventually(t, "child "+pid+" is gone", func() bool { return !alive(t, pid) })
	}
}

// TestStop: an agent that is stopped sends TERM, and the task is aborted.
func TestStop(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.step("10", ready+"exec sleep 60")
	id := a.push("null")
	a.WaitTold(t, id, halfway())
	a.stop()
	if got := a.Result(t, id); got.ExitCode != 14 || got.Final.Status != worker.Aborted || !strings.Contains(string(got.Error), "the agent was stopped") {
		t.Fatalf("got %d %+v %q", got.ExitCode, got.Final, got.Error)
	}
}

// TestBackground: a process left behind that keeps a descriptor open is waited
// for, then left alone, with a warning; what was printed until then counts.
func TestBackground(t *testing.T) {
	t.Parallel()
	for name, keeps := range map[string]string{
		"stdout":  "2>/dev/null 3>&-",
		"stderr":  ">/dev/null 3>&-",
		"channel": ">/dev/null 2>&1",
		"all":     "",
	} {
		for kernel, prepare := range script.Kernels() {
			t.Run(name+", "+kernel, func(t *testing.T) {
				t.Parallel()
				a := start(t)
				prepare(a.runner)
				a.runner.DrainTime = 50 * time.Millisecond
				a.step("10", "(exec sleep 60 "+keeps+") & echo $!; exit 7")
				got := a.do("null")
				pid := strings.TrimSpace(string(got.Output))
				if got.ExitCode != 7 || !alive(t, pid) {
					t.Fatalf("got %d %q; the process left behind must live", got.ExitCode, got.Output)
				}
				killProcess(t, pid)
				a.wantLogged("left a background process")
				eventually(t, "nothing is read any more", func() bool { return a.runner.LeftBehind() == 0 })
			})
		}
	}
}

// TestBackgroundGoesOn: what a process left behind prints afterwards is lost,
// but the process is not, however much it prints.
func TestBackgroundGoesOn(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]string{"stdout": "", "stderr": ">&2", "channel": ">&3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.runner.DrainTime = 20 * time.Millisecond
			mark := filepath.Join(a.dir, "mark")
			a.step("10", "(until test -e "+mark+"; do sleep 0.01; done; head -c 1000000 /dev/zero "+to+" && echo set-progress 99 "+to+" && echo >"+mark+".survived) & exit 0")
			got := a.do("null")
			a.file("mark", 0o644, "")
			eventually(t, "the process has printed all", func() bool { _, err := os.Stat(mark + ".survived"); return err == nil })
			if got.ExitCode != 0 || len(got.Output)+len(got.Error) != 0 || a.stderr.String() != "" {
				t.Errorf("got %d, %d bytes of output", got.ExitCode, len(got.Output))
			}
			eventually(t, "nothing is read any more", func() bool { return a.runner.LeftBehind() == 0 })
		})
	}
}

// TestBackgroundFloods: one that never stops printing is not waited for longer.
func TestBackgroundFloods(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.DrainTime = 20 * time.Millisecond
	a.step("10", "yes & echo $! >&2")
	got := a.do("null")
	pid, _, _ := strings.Cut(string(got.Error), "\n") // then a note on the output, which was cut
	if got.ExitCode != 0 || !alive(t, pid) {
		t.Errorf("got %d; the process left behind must live", got.ExitCode)
	}
	killProcess(t, pid)
}

// TestClose: when the agent ends, a process left behind meets a broken pipe.
func TestClose(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.DrainTime = 20 * time.Millisecond
	a.step("10", "(while echo line; do sleep 0.01; done 2>/dev/null) & echo $! >&2")
	pid := string(a.do("null").Error)
	if !alive(t, pid) {
		t.Fatal("the process left behind must live")
	}
	must(t, a.runner.Close())
	eventually(t, "the process is gone", func() bool { return !alive(t, pid) })
}

// TestCommandCutOff: a command that has no end when its channel is given up is none.
func TestCommandCutOff(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.DrainTime = 20 * time.Millisecond
	a.step("10", "printf 'set-progress 5' >&3; sleep 60 >/dev/null 2>&1 & echo $!")
	a.step("20", "exit 0")
	pid := strings.TrimSpace(string(a.do("null").Output))
	killProcess(t, pid)
	if got := told(a, "t1"); got != "0 50 100" {
		t.Errorf("told %q", got)
	}
}

// TestDaemon: a process left behind that keeps nothing open is not waited for,
// not even if there is input that it could read.
func TestDaemon(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.DrainTime = time.Hour
	a.step("10", "exec 4<&0; sleep 60 <&4 >/dev/null 2>&1 3>&- & echo $!")
	got := a.do(`"` + strings.Repeat("x", 1<<20) + `"`)
	if got.ExitCode != 0 || a.logged("left a background process") {
		t.Fatalf("got %d", got.ExitCode)
	}
	killProcess(t, strings.TrimSpace(string(got.Output)))
}

// TestReadsOn: a step that has closed its outputs, and reads on, gets all of its input, also if it
// takes its time.
func TestReadsOn(t *testing.T) {
	t.Parallel()
	const bytes = 1 << 20
	for kernel, prepare := range script.Kernels() {
		for name, first := range map[string]string{"at once": "", "later": "sleep 0.2; "} {
			t.Run(name+", "+kernel, func(t *testing.T) {
				t.Parallel()
				a := start(t)
				prepare(a.runner)
				path := filepath.Join(t.TempDir(), "read")
				a.step("10", "exec >"+path+" 2>&1 3>&-; "+first+"wc -c")
				if got := a.do(`"` + strings.Repeat("x", bytes) + `"`); got.ExitCode != 0 {
					t.Fatalf("got %d", got.ExitCode)
				}
				text, err := os.ReadFile(path)
				must(t, err)
				if want := strconv.Itoa(bytes + 2); strings.TrimSpace(string(text)) != want {
					t.Errorf("it has read %s bytes, not %s", text, want)
				}
			})
		}
	}
}

// TestBackgroundThatEnds in time has its say.
func TestBackgroundThatEnds(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.DrainTime = time.Hour
	a.step("10", "(sleep 0.1; echo late) & echo early")
	a.want(0, "early\nlate\n")
	if a.logged("left a background process") {
		t.Error("the log complains")
	}
}

// killProcess ends a process that a script of this test left behind.
func killProcess(t *testing.T, pid string) {
	t.Helper()
	number, err := strconv.Atoi(pid)
	must(t, err)
	must(t, syscall.Kill(number, syscall.SIGKILL))
}
