package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervise runs a command, again whenever it ends, and writes its PID file,
// until the test ends. It returns the channel of the PIDs.
func supervise(t *testing.T, files Files, unit string, command ...string) <-chan int {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	pids, done := make(chan int, 100), make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, command[0], command[1:]...)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			// Written in two steps, as a careless supervisor would.
			if err := os.WriteFile(files.PIDFile(unit), nil, 0o644); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(files.PIDFile(unit), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
				t.Error(err)
			}
			pids <- cmd.Process.Pid
			if err := cmd.Wait(); err == nil {
				t.Error("the child ended by itself")
			}
		}
	}()
	return pids
}

func TestSupervisedRestart(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	pids := supervise(t, files, RedisUnit, "sleep", "600")
	services := NewSupervised(files, Exec{})
	old := <-pids
	for range 3 {
		must(t, services.Restart(t.Context(), RedisUnit))
		// Restart has seen the new process: its PID is there without waiting.
		fresh, err := services.readPID(RedisUnit)
		if err != nil || fresh == old || !alive(fresh) || alive(old) {
			t.Fatalf("process %d, was %d, %v", fresh, old, err)
		}
		old = fresh
	}
}

// TestSupervisedRequestRestart: the caller goes on, even if the unit takes long
// to end.
func TestSupervisedRequestRestart(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	// The child ends, told to, only when someone opens the FIFO.
	script := `trap 'echo bye >"$0"; exit 1' TERM; : >"$0.ready"; while :; do sleep 0.01; done`
	pids := supervise(t, files, NodeAgentUnit, "sh", "-c", script, fifo)
	old := <-pids
	waitFor(t, "the child's trap", func() bool {
		_, err := os.Stat(fifo + ".ready")
		return err == nil
	})
	services := NewSupervised(files, Exec{})
	must(t, services.RequestRestart(t.Context(), NodeAgentUnit))
	if !alive(old) {
		t.Error("the request waited for the end")
	}
	if said := readFIFO(t, fifo); said != "bye\n" {
		t.Errorf("the child said %q, it did not get SIGTERM", said)
	}
	if fresh := <-pids; fresh == old {
		t.Error("not restarted")
	}
}

// readFIFO reads one message. Opened for both directions, a FIFO waits for
// nobody and takes a deadline.
func readFIFO(t *testing.T, path string) string {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	must(t, file.SetReadDeadline(time.Now().Add(10*time.Second)))
	buffer := make([]byte, 100)
	n, err := file.Read(buffer)
	must(t, errors.Join(err, file.Close()))
	return string(buffer[:n])
}

func TestSupervisedRestartDeadline(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	cmd := exec.CommandContext(context.Background(), "sleep", "600")
	must(t, cmd.Start())
	put(t, files.PIDFile(RedisUnit), strconv.Itoa(cmd.Process.Pid))
	t.Cleanup(func() {
		if err := cmd.Wait(); err == nil {
			t.Error("the process was not told to end")
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := NewSupervised(files, Exec{}).Restart(ctx, RedisUnit)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("nobody restarts it: %v", err)
	}
}

func TestSupervisedWithoutPIDFile(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	services := NewSupervised(files, Exec{})
	if err := services.Restart(t.Context(), RedisUnit); err == nil || !strings.Contains(err.Error(), "no supervisor runs it") {
		t.Errorf("no file: %v", err)
	}
	// 1 would be init, -1 everyone.
	for _, bad := range []string{"", "x", "0", "1", "-1"} {
		put(t, files.PIDFile(RedisUnit), bad)
		if err := services.RequestRestart(t.Context(), RedisUnit); err == nil {
			t.Errorf("PID %q was taken", bad)
		}
	}
}

func TestSupervisedWireGuard(t *testing.T) {
	t.Parallel()
	const up, down = "wg-quick up wg0", "wg-quick down wg0"
	for _, test := range []struct {
		name   string
		isUp   bool
		call   func(*Supervised) func(context.Context) error
		golden string
	}{
		{"up", false, func(s *Supervised) func(context.Context) error { return s.WGUp }, up},
		{"up, is up", true, func(s *Supervised) func(context.Context) error { return s.WGUp }, ""},
		{"down", true, func(s *Supervised) func(context.Context) error { return s.WGDown }, down},
		{"down, is down", false, func(s *Supervised) func(context.Context) error { return s.WGDown }, ""},
		{"restart", true, func(s *Supervised) func(context.Context) error { return s.WGRestart }, down + "\n" + up},
		{"restart, is down", false, func(s *Supervised) func(context.Context) error { return s.WGRestart }, up},
		{"enable", false, func(s *Supervised) func(context.Context) error { return s.WGEnable }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			run := &fakeRunner{t: t, known: map[string]error{up: nil, down: nil}}
			services := NewSupervised(tempFiles(t), run)
			services.linkUp = func(string) (bool, error) {
				return test.isUp != (run.lines() == down), nil
			}
			must(t, test.call(services)(t.Context()))
			if run.lines() != test.golden {
				t.Errorf("ran %q, want %q", run.lines(), test.golden)
			}
		})
	}
}

func TestLinkExists(t *testing.T) {
	t.Parallel()
	if up, err := linkExists("lo"); !up || err != nil {
		t.Errorf("lo: %v %v", up, err)
	}
	if up, err := linkExists("no-such-link"); up || err != nil {
		t.Errorf("no-such-link: %v %v", up, err)
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	if !alive(os.Getpid()) {
		t.Error("this process is not alive")
	}
	cmd := exec.CommandContext(t.Context(), "true")
	must(t, cmd.Start())
	// Not waited for yet: a zombie, soon.
	waitFor(t, "a zombie, which is not alive", func() bool { return !alive(cmd.Process.Pid) })
	must(t, cmd.Wait())
	if alive(cmd.Process.Pid) {
		t.Error("a process that is gone counts as alive")
	}
}
