package script_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/script"
)

// TestKernels: in whichever way a step is waited for, all is the same.
func TestKernels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		code   int
		output string
	}{
		"well":              {"exit 0", 0, ""},
		"a code":            {"cat; exit 7", 7, "null"},
		"a signal":          {"kill -9 $$", 137, ""},
		"all closed":        {"exec >&- 2>&- 3>&- <&-; sleep 0.1; exit 3", 3, ""},
		"in the background": {"(sleep 0.1; echo late) & echo early", 0, "early\nlate\n"},
	} {
		for kernel, prepare := range script.Kernels() {
			t.Run(name+", "+kernel, func(t *testing.T) {
				t.Parallel()
				a := start(t)
				prepare(a.runner)
				a.step("10", c.script)
				a.want(c.code, c.output)
			})
		}
	}
}

// TestCancelledAtAnyTime: whenever a step is cancelled, it ends, either by
// itself or by the signal; or it is not started, if its file is still open for writing
// in a process that another test is starting.
func TestCancelledAtAnyTime(t *testing.T) {
	t.Parallel()
	for kernel, prepare := range script.Kernels() {
		t.Run(kernel, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, "null")
			prepare(c.runner)
			path := c.script(t, "echo a line; echo set-progress 1 >&3; (:) & exit 3")
			var running sync.WaitGroup
			for range 8 {
				running.Go(func() {
					for range 20 {
						ctx, cancel := context.WithTimeout(t.Context(), rand.N(4*time.Millisecond))
						err := c.runner.Run(ctx, path, c.call)
						if got := code(err); got != 3 && got != 128+15 && !wasNotStarted(err) {
							t.Errorf("exit code %d: %v", got, err)
						}
						cancel()
					}
				})
			}
			running.Wait()
		})
	}
}

// wasNotStarted tells of a step that was cancelled while its file was open for writing.
func wasNotStarted(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) && strings.HasPrefix(err.Error(), "start step: ")
}

// TestReapedAtOnce: a background process that waits for the step's end by its
// number sees it, though the step is not over before that process is.
func TestReapedAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.runner.DrainTime = time.Hour
	a.step("10", "(while kill -0 $$; do sleep 0.01; done 2>/dev/null; echo gone) & exit 0")
	a.want(0, "gone\n")
}

// TestAsBorn: a step has the descriptors that are its own alone, though others
// are started at the same time, and signals as package os/exec leaves them.
func TestAsBorn(t *testing.T) {
	const content = "ls /proc/$$/fd; exec grep -E '^Sig(Blk|Ign|Cgt):' /proc/self/status"
	a := start(t)
	a.step("10", content)
	plain := exec.CommandContext(t.Context(), filepath.Join(a.dir, "actions/a/10"))
	channel, end, err := os.Pipe()
	must(t, err)
	plain.ExtraFiles = []*os.File{end}
	want, err := plain.Output() // before other tests open descriptors with the numbers of those that this process was given
	must(t, errors.Join(err, channel.Close(), end.Close()))
	t.Parallel()
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = a.push("null")
	}
	for _, id := range ids {
		got := a.Result(t, id)
		for line := range strings.Lines(string(got.Output)) {
			if !slices.Contains(strings.SplitAfter(string(want), "\n"), line) {
				t.Fatalf("got %q, want %q", got.Output, want)
			}
		}
		if got.ExitCode != 0 || !bytes.HasPrefix(got.Output, []byte("0\n1\n")) {
			t.Fatalf("got %d %q", got.ExitCode, got.Output)
		}
	}
}

// TestPathIsTheFile: a step is the file at its path, whatever its path looks like.
func TestPathIsTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	c := newCaller(t, "null")
	for _, path := range []string{"true", "-c", "-x/10", "a/-c", "./-x/20"} {
		writeFile(t, path, 0o755, "#!/bin/sh\nexit 42\n")
		if err := c.runner.Run(t.Context(), path, c.call); code(err) != 42 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestBusyFile: a file that something still has open for writing is tried again
// for a short time, and only then skipped.
func TestBusyFile(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "null")
	path := c.script(t, "exit 42")
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	if err := exec.CommandContext(t.Context(), path).Run(); !errors.Is(err, syscall.ETXTBSY) {
		must(t, writer.Close())
		t.Skipf("this kernel executes files that are open for writing: %v", err)
	}
	var skipped *worker.SkippedError
	if err := c.runner.Run(t.Context(), path, c.call); !errors.As(err, &skipped) || !errors.Is(err, syscall.ETXTBSY) {
		t.Errorf("one that stays busy: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	// It may be terminated before the file is tried.
	if err := c.runner.Run(cancelled, path, c.call); code(err) != 128+15 && !errors.Is(err, context.Canceled) || errors.As(err, &skipped) {
		t.Errorf("one that is cancelled meanwhile: %v", err)
	}
	closed := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() { closed <- writer.Close() })
	if err := c.runner.Run(t.Context(), path, c.call); code(err) != 42 {
		t.Errorf("one that is busy no more: %v", err)
	}
	must(t, <-closed)
}

// TestNothingIsLeft: after many steps that end in each of the ways in which they
// can, there is no descriptor more than before, and no process.
func TestNothingIsLeft(t *testing.T) { //nolint:paralleltest // what others open and start would be counted
	for kernel, prepare := range script.Kernels() { //nolint:paralleltest // the same
		t.Run(kernel, func(t *testing.T) {
			c := newCaller(t, `"`+strings.Repeat("x", 1<<20)+`"`)
			prepare(c.runner)
			c.runner.DrainTime = time.Millisecond
			leaving := c.script(t, "sleep 60 & echo $! >"+c.dir+"/$$.pid")
			before := descriptors(t)
			for _, path := range []string{program, "/bin/cat", "/bin/false", "/nowhere", c.dir, leaving} {
				var running sync.WaitGroup
				for range 25 {
					running.Go(func() {
						if err := c.runner.Run(t.Context(), path, c.call); path == program && err != nil {
							t.Error(err)
						}
					})
				}
				running.Wait()
			}
			if got := c.runner.LeftBehind(); got != 64 {
				t.Errorf("%d streams are read on", got)
			}
			killLeft(t, c.dir)
			must(t, c.runner.Close())
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors are open, %d were before", after, before)
			}
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
				t.Errorf("there are children: %d %v", pid, err)
			}
		})
	}
}

func killLeft(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	must(t, err)
	if len(files) != 25 {
		t.Errorf("%d processes were left behind", len(files))
	}
	for _, file := range files {
		pid, err := os.ReadFile(file)
		must(t, err)
		killProcess(t, strings.TrimSpace(string(pid)))
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(open)
}

// TestOutOfDescriptors: an agent that has none left says so, with the exit code
// for that; it does not skip the step, and loses no more of them.
func TestOutOfDescriptors(t *testing.T) { //nolint:paralleltest // the limit is that of the process
	c := newCaller(t, "null")
	must(t, os.WriteFile(c.runner.Environment, []byte("A=1\n"), 0o600))
	must(t, c.runner.Run(t.Context(), program, c.call)) // what is opened once is open from now on
	before := descriptors(t)
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	t.Cleanup(func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) })
	refused := 0
	for allowed := uint64(1); ; allowed++ {
		lower := syscall.Rlimit{Cur: allowed, Max: limit.Max}
		must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower))
		err := c.runner.Run(t.Context(), program, c.call)
		must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
		if after := descriptors(t); after != before {
			t.Fatalf("%d descriptors are open, %d were before", after, before)
		}
		if err == nil {
			break
		}
		refused++
		if code(err) != 9 || !strings.Contains(err.Error(), "too many open files") {
			t.Fatalf("with %d descriptors: %v", allowed, err)
		}
	}
	if refused < 10 {
		t.Errorf("only %d limits were too low", refused)
	}
}
