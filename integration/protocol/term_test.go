package protocol

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Rule (section 6): "SIGTERM: within one second the process has died by that very signal (so that a supervisor sees it)"
func TestTermIdle(t *testing.T) {
	t.Parallel()
	for name, c := range idleAgents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bestOf(t, time.Second, func() time.Duration {
				p := c.start(t)
				p.signal(syscall.SIGTERM)
				return p.wantKilled()
			})
		})
	}
}

// wantKilled wants the agent to die of SIGTERM.
func (p *process) wantKilled() time.Duration {
	p.t.Helper()
	took, signal, code := p.end()
	if signal != syscall.SIGTERM {
		p.t.Errorf("signal %d, code %d", signal, code)
	}
	return took
}

// Rule (section 6): "SIGTERM: within one second the process has died by that very signal (so that a supervisor sees it)"
func TestTermBusy(t *testing.T) {
	t.Parallel()
	const stubborn = "trap '' TERM; " + ready + "while true; do sleep 0.1; done"
	for name, c := range map[string]struct {
		script    string
		tasks     int
		situation func(n *node, p *process)
	}{
		"a step that obeys":     {ready + "exec sleep 60", 1, nil},
		"a step that does not":  {stubborn, 1, nil},
		"a step that cleans up": {"trap 'exit 0' TERM; " + ready + "while true; do sleep 0.1; done", 1, nil},
		"many steps":            {ready + "exec sleep 60", 20, nil},
		"a step and a hung Redis": {ready + "exec sleep 60", 1, func(n *node, _ *process) {
			n.redis.Pause(n.t)
			n.t.Cleanup(func() { n.redis.Resume(n.t) })
		}},
		"while draining": {ready + "exec sleep 60", 1, func(_ *node, p *process) {
			p.signal(syscall.SIGUSR1)
			p.says("SIGUSR1")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bestOf(t, time.Second, func() time.Duration {
				n := newNode(t)
				n.step("wait/10", c.script)
				p := n.start(nil)
				for i := range c.tasks {
					working := n.watch(strconv.Itoa(i))
					n.push(map[string]any{"id": strconv.Itoa(i), "action": "wait"})
					working(`"progress":10`)
				}
				if c.situation != nil {
					c.situation(n, p)
				}
				p.signal(syscall.SIGTERM)
				return p.wantKilled()
			})
		})
	}
}

// Rule (section 6): "SIGTERM: within one second the process has died by that very signal (so that a supervisor sees it)"
func TestTermAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for range 20 {
		p := n.start(nil)
		p.signal(syscall.SIGTERM)
		if took := p.wantKilled(); took > time.Second {
			t.Errorf("took %v", took)
		}
	}
}

// TestTermUnread: nobody reads what the agent has to say, and the pipe is full.
//
// Rule (section 6): "SIGTERM: within one second the process has died by that very signal (so that a supervisor sees it)"
func TestTermUnread(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]string{"idle": "", "before a step": "print"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bestOf(t, time.Second, func() time.Duration {
				n := newNode(t)
				n.step("print/10", "true")
				cmd := n.command(nil, "--agentid="+agentID, "--actionsdir=actions")
				cmd.Stderr = fullPipe(t)
				must(t, cmd.Start())
				until(t, "the agent is seen", n.alive)
				if action != "" {
					pending := n.watch("1")
					n.push(map[string]any{"id": "1", "action": action})
					pending("pending")
				}
				must(t, cmd.Process.Signal(syscall.SIGTERM))
				return wantKilled(t, cmd)
			})
		})
	}
}

// fullPipe is the end for writing of a pipe that takes nothing any more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	read, write, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(read.Close(), write.Close())) })
	must(t, write.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	if _, err := write.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the pipe takes it all: %v", err)
	}
	return write
}

// wantKilled wants a process to die of SIGTERM.
func wantKilled(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	began := time.Now()
	stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	err := cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the agent ended with %v", err)
	}
	return time.Since(began)
}

// Rule (section 6): "running steps get TERM"
func TestTermReachesSteps(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const child = `sh -c 'trap "echo child >>../got; exit" TERM; touch ../$0; while true; do sleep 0.02; done' `
	const parent = "trap 'echo step >>../got; exit 1' TERM; "
	n.step("wait/10", parent+child+"task &\nwait")
	n.file("events/wait/10", 0o755, "#!/bin/sh\n"+parent+child+"event &\nwait\n")
	p := n.start(nil)
	n.push(map[string]any{"id": "1", "action": "wait"})
	n.announced("cluster/event/wait")
	n.exists("task")
	n.exists("event")
	p.signal(syscall.SIGTERM)
	p.wantKilled()
	n.exists("got")
	until(t, "all have got TERM", func() bool {
		got := strings.Fields(n.read("got"))
		slices.Sort(got)
		return slices.Equal(got, []string{"child", "child", "step", "step"})
	})
}

// Rule (section 6): "event handlers log no outcome"
func TestTermOfHandlers(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("events/obeys/10", 0o755, "#!/bin/sh\ntouch ../obeys; exec sleep 60\n")
	n.file("events/cleans-up/10", 0o755, "#!/bin/sh\ntrap 'exit 0' TERM; touch ../cleans-up; while true; do sleep 0.02; done\n")
	p := n.start(nil)
	n.announced("cluster/event/obeys", "cluster/event/cleans-up")
	n.exists("obeys")
	n.exists("cleans-up")
	p.signal(syscall.SIGTERM)
	p.wantKilled()
	if outcomes := p.lines("Handler of"); len(outcomes) > 0 {
		t.Errorf("the log has %q", outcomes)
	}
}

// Rule (section 6): "tasks cut off that way are settled (see below), not
// left hanging."
func TestTermSettles(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("wait/10", "trap 'echo bye; exit 0' TERM; "+ready+"while true; do sleep 0.02; done")
	n.step("wait/20", "echo never")
	p := n.start(nil)
	watch := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait"})
	watch(`"progress":5`)
	p.signal(syscall.SIGTERM)
	p.wantKilled()
	if final := watch(); !strings.Contains(final, "aborted") {
		t.Errorf("final status is %s", final)
	}
	n.want("1", "exit_code", "14")
	n.want("1", "output", "bye\n")
	n.wantNothingLeft()
}

// TestTermSettlesSlowSteps: a step that takes too long to end, or never does, is not waited for.
// Its task is settled before the agent dies, with what the step has printed; what it makes of
// TERM afterwards counts no more, and the next agent does not run it again.
//
// Rule (section 6): "tasks cut off that way are settled (see below), not
// left hanging."
func TestTermSettlesSlowSteps(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"cleans up for 700 ms": "trap 'sleep 0.7; echo late; echo set-progress 90 >&3; exit 3' TERM; " + ready + "sleep 60 & wait",
		"ends well, too late":  "trap 'sleep 0.7; exit 0' TERM; " + ready + "sleep 60 & wait",
		"ignores TERM":         "trap '' TERM; " + ready + "while true; do sleep 0.1; done",
		"leaves a child":       "setsid sh -c '" + ready + "exec sleep 60' & exec sleep 60", // it keeps the output open
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bestOf(t, time.Second, func() time.Duration {
				n := newNode(t)
				n.step("wait/10", n.noting("echo early; echo warned >&2; "+script))
				n.step("wait/20", "echo never")
				p := n.start(nil)
				finals, working := n.watchFinals(), n.watch("1")
				n.push(map[string]any{"id": "1", "action": "wait"})
				working(`"progress":5`)
				p.signal(syscall.SIGTERM)
				took := p.wantKilled()
				n.wantGivenUp("1")
				n.wantNothingLeft()
				next := n.start(nil)
				n.do("2", "list-actions")
				next.drain()
				n.wantGivenUp("1")
				if ran, told := n.runs("1"), finals.count("1"); ran != 1 || told != 1 {
					t.Errorf("it ran %d times, its end was told %d times", ran, told)
				}
				return took
			})
		})
	}
}

// wantGivenUp wants the result of a task whose step 10 went on when its agent died.
func (n *node) wantGivenUp(id string) {
	n.t.Helper()
	n.want(id, "exit_code", "14")
	n.want(id, "output", "early\n")
	n.want(id, "error", "warned\nthe agent was stopped while it ran step 10, which was still running when the agent ended\n")
}

// TestTermKeepsSlowSteps: what Redis does not hear of while the agent dies the next one tells it.
//
// Rule (section 6): "tasks cut off that way are settled (see below), not
// left hanging."
func TestTermKeepsSlowSteps(t *testing.T) {
	t.Parallel()
	bestOf(t, time.Second, func() time.Duration {
		n := newNode(t)
		n.step("wait/10", n.noting("echo early; echo warned >&2; trap '' TERM; "+ready+"while true; do sleep 0.1; done"))
		p := n.start(nil)
		finals, working := n.watchFinals(), n.watch("1")
		n.push(map[string]any{"id": "1", "action": "wait"})
		working(`"progress":10`)
		n.redis.Pause(t)
		p.signal(syscall.SIGTERM)
		took := p.wantKilled()
		if kept, err := filepath.Glob(filepath.Join(n.dir, "state/agent-journal/*/result-*")); err != nil || len(kept) != 1 {
			t.Errorf("kept are %q, %v", kept, err)
		}
		n.redis.Resume(t)
		next := n.start(nil)
		n.do("2", "list-actions")
		until(t, "the task is settled", func() bool { return n.has("1") })
		next.drain()
		n.wantGivenUp("1")
		if ran, told := n.runs("1"), finals.count("1"); ran != 1 || told != 1 {
			t.Errorf("it ran %d times, its end was told %d times", ran, told)
		}
		return took
	})
}

// TestTermSettlesLater: a step that does not heed TERM outlives its agent, and its task is settled
// by that agent or, if it was killed, by the next one; what was waiting is run.
//
// Rule (section 6): "tasks cut off that way are settled (see below), not
// left hanging."
func TestTermSettlesLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal syscall.Signal
		code   string
	}{"SIGTERM": {syscall.SIGTERM, "14"}, "SIGKILL": {syscall.SIGKILL, "12"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("wait/10", "trap '' TERM; echo $$ >../pid; "+ready+"exec sleep 60")
			t.Cleanup(func() { n.killLeftBehind("pid") })
			p := n.start(map[string]string{"MAX_CONCURRENCY": "1"})
			watch, waiting := n.watch("1"), n.watch("2")
			n.push(map[string]any{"id": "1", "action": "wait"})
			watch(`"progress":10`)
			n.push(map[string]any{"id": "2", "action": "list-actions"})
			p.signal(c.signal)
			p.end()
			n.start(nil)
			if final := watch(); !strings.Contains(final, "aborted") {
				t.Errorf("final status is %s", final)
			}
			n.want("1", "exit_code", c.code)
			waiting()
			n.want("2", "exit_code", "0")
			n.wantNothingLeft()
		})
	}
}
