package protocol

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ready makes a script say that it is about to wait.
const ready = "echo set-progress 10 >&$AGENT_COMFD; "

// TestDrainIdle: SIGUSR1, idle: exit within a second, whatever BRPOP is doing.
func TestDrainIdle(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	n.do("1", "list-actions")
	p.signal(syscall.SIGUSR1)
	if took, signal, code := p.end(); took > time.Second || signal != 0 || code != 0 {
		t.Fatalf("took %v, signal %v, code %d", took, signal, code)
	}
}

// TestDrainGoesOn: go on taking tasks while any is running, then stop, exit 0.
func TestDrainGoesOn(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("wait/10", ready+"until test -e ../go-on; do sleep 0.02; done")
	n.step("go/10", "touch ../go-on")
	p := n.start(nil)
	started := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait"})
	started(`"progress":10`)
	p.signal(syscall.SIGUSR1)
	n.do("2", "go")
	if _, signal, code := p.end(); signal != 0 || code != 0 {
		t.Fatalf("signal %v, code %d", signal, code)
	}
	if n.get("1", "exit_code") != "0" || n.get("2", "exit_code") != "0" {
		t.Fatal("not all went well")
	}
}

// TestTermination: SIGTERM: within one second the process has died by that very
// signal; running steps get TERM, and tasks cut off that way are settled.
func TestTermination(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("wait/10", "trap 'echo bye; exit 0' TERM; "+ready+"while true; do sleep 0.02; done")
	n.step("wait/20", "echo never")
	p := n.start(nil)
	watch := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait"})
	watch(`"progress":5`)
	p.signal(syscall.SIGTERM)
	if took, signal, _ := p.end(); took > time.Second || signal != syscall.SIGTERM {
		t.Fatalf("took %v, signal %v", took, signal)
	}
	if final := watch(); !strings.Contains(final, "aborted") {
		t.Fatalf("final status is %s", final)
	}
	if n.get("1", "exit_code") != "14" || n.get("1", "output") != "bye\n" {
		t.Fatalf("exit code %s, output %q", n.get("1", "exit_code"), n.get("1", "output"))
	}
	n.wantNothingInProgress()
}

func (n *node) wantNothingInProgress() {
	n.t.Helper()
	if left := n.redis.Admin().LLen(n.t.Context(), agentID+"/tasks/in-progress").Val(); left != 0 {
		n.t.Errorf("%d tasks are left in progress", left)
	}
}

// TestKilled: whatever kills the agent, the next start settles what was running:
// aborted, exit code 12; what was waiting is run.
func TestKilled(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("wait/10", "echo $$ >../pid; "+ready+"exec sleep 60")
	t.Cleanup(func() { n.killLeftBehind("pid") })
	p := n.start(map[string]string{"MAX_CONCURRENCY": "1"})
	watch := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait"})
	watch(`"progress":10`)
	waiting := n.watch("2")
	n.push(map[string]any{"id": "2", "action": "list-actions"})
	p.signal(syscall.SIGKILL)
	p.end()
	n.start(nil)
	if final := watch(); !strings.Contains(final, "aborted") || n.get("1", "exit_code") != "12" {
		t.Fatalf("final status is %s", final)
	}
	if final := waiting(); n.get("2", "exit_code") != "0" {
		t.Fatalf("the task that was waiting came to %s", final)
	}
	n.wantNothingInProgress()
}

// killLeftBehind ends the process whose number a step has written to a file: it
// has outlived its agent.
func (n *node) killLeftBehind(file string) {
	n.t.Helper()
	content, err := os.ReadFile(filepath.Join(n.dir, file))
	must(n.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	must(n.t, err)
	must(n.t, syscall.Kill(pid, syscall.SIGKILL))
}

// TestLog: one line each, with a prefix for the level, in the words that others
// look for.
func TestLog(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "exit 7")
	p := n.start(nil)
	n.redis.Do(t, "lpush", agentID+"/tasks", "Il n'y a rien")
	n.do("1", "a")
	p.signal(syscall.SIGUSR1)
	p.end()
	for _, line := range []string{
		"<4>Task ignored for decoding error: invalid character 'I' looking for beginning of value\n",
		"<6>task/module/m1/1: a/10 is starting\n",
		"<3>task/module/m1/1: action \"a\" status is \"aborted\" (7) at step 10\n",
	} {
		if !strings.Contains(p.stderr.String(), line) {
			t.Errorf("the log lacks %q", line)
		}
	}
	for line := range strings.Lines(p.stderr.String()) {
		var level int
		if _, err := fmt.Sscanf(line, "<%1d>", &level); err != nil {
			t.Errorf("line %q has no prefix", line)
		}
	}
}
