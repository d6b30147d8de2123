package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/internal/redistest"
)

// endTime is what the protocol gives a signal, and then what a busy machine
// may add.
const endTime = time.Second + 500*time.Millisecond

// wantEnd checks that the process ends in time, with code 0 or by a signal.
func (p *process) wantEnd(since time.Time, by syscall.Signal) {
	p.t.Helper()
	status := p.wait()
	if took := time.Since(since); took > endTime {
		p.t.Errorf("took %s", took)
	}
	if by == 0 && status.Exited() && status.ExitStatus() == 0 {
		return
	}
	if by == 0 || !status.Signaled() || status.Signal() != by {
		p.t.Errorf("ended with %v (%d), want signal %d\n%s", status.Signal(), status.ExitStatus(), by, p.log)
	}
}

func TestIdleAgentEnds(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]syscall.Signal{"SIGUSR1": syscall.SIGUSR1, "SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			for _, id := range []string{"cluster", "node/1", module} {
				agent := m.agent(id, t.TempDir())
				started := time.Now()
				agent.signal(number)
				by := number
				if number == syscall.SIGUSR1 {
					by = 0
				}
				agent.wantEnd(started, by)
				for _, level := range []string{"<0>", "<3>", "<4>"} {
					if lines := agent.log.lines(level); len(lines) > 0 {
						t.Errorf("agent %s complains:\n%s", id, strings.Join(lines, "\n"))
					}
				}
			}
		})
	}
}

// TestAgentEndsWithoutRedis: also one that never reached its Redis obeys.
func TestAgentEndsWithoutRedis(t *testing.T) {
	t.Parallel()
	for number, by := range map[syscall.Signal]syscall.Signal{syscall.SIGUSR1: 0, syscall.SIGTERM: syscall.SIGTERM} {
		m := newMachine(t)
		agent := m.agent(module, t.TempDir())
		m.redis.Kill()
		agent.log.await(t, "not available")
		started := time.Now()
		agent.signal(number)
		agent.wantEnd(started, by)
	}
}

// TestTermDuringAStep: the step gets TERM, and the agent dies by the signal
// within a second, its task settled, whatever the step makes of it.
func TestTermDuringAStep(t *testing.T) {
	t.Parallel()
	busy := filepath.Join(t.TempDir(), "busy")
	must(t, os.WriteFile(busy, nil, 0o600))
	for name, script := range map[string]string{
		"obeys":    "sleep 60 & echo set-progress 50 >&3; wait",
		"cleansup": cleanUp,
		"stubborn": fmt.Sprintf("trap '' TERM\necho set-progress 50 >&3\nwhile [ -e %s ]; do sleep 0.1; done", busy),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			agent := m.agent(module, steps(t, map[string]string{"act": script}))
			watch := m.watch()
			id := strings.TrimSpace(call(m.root, "", "api-cli", "run", module+"/act", "--nowait").Stdout)
			watch.await(t, `"progress":50`)
			started := time.Now()
			agent.signal(syscall.SIGTERM)
			agent.wantEnd(started, syscall.SIGTERM)
			code := m.redis.Client().Get(t.Context(), "task/"+module+"/"+id+"/exit_code").Val()
			if want := map[string]string{"obeys": "14", "cleansup": "14", "stubborn": "14"}[name]; code != want {
				t.Errorf("exit code of the task %q, want %q\n%s", code, want, agent.log)
			}
		})
	}
	t.Cleanup(func() { must(t, os.Remove(busy)) })
}

// TestDrain: a task that runs ends as it likes, those that come meanwhile are
// taken, and then the agent ends by itself.
func TestDrain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	agent := m.agent(module, steps(t, map[string]string{
		"parent": fmt.Sprintf("echo set-progress 50 >&3; read word <%s; echo $word", pipe),
		"child":  "echo child",
	}))
	watch := m.watch()
	parent := start(t, m.root, nil, "api-cli", "run", module+"/parent", "--raw")
	watch.await(t, `"progress":50`)
	agent.signal(syscall.SIGUSR1)
	agent.log.await(t, "SIGUSR1")
	call(m.root, "", "api-cli", "run", module+"/child", "--raw").Want(t, 0, "child\n", "")
	must(t, os.WriteFile(pipe, []byte("parent\n"), 0o600))
	started := time.Now()
	parent.said().Want(t, 0, "parent\n", "")
	agent.wantEnd(started, 0)
}

// TestNodeAgentTakesEvents: the handlers are there, and those of a directory
// beside them.
func TestNodeAgentTakesEvents(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	p := start(t, m.root, []string{
		"REDIS_ADDRESS=" + m.redis.Address(), "REDIS_PASSWORD=" + redistest.Password,
	}, "agent", "--agentid=node/1", "--actionsdir="+t.TempDir(), "--eventsdir", steps(t, map[string]string{
		"greeting": `echo "$AGENT_EVENT_SOURCE says $(cat)" >&2`,
	}))
	client := m.redis.Client()
	m.redis.Eventually("have a subscriber", func() bool {
		n, err := client.PubSubNumPat(t.Context()).Result()
		return err == nil && n == 1
	})
	for _, event := range [][2]string{
		{"module/t1/event/greeting", "hello"},
		{"node/2/event/vpn-changed", "{}"},
		{"cluster/event/unknown", ""},
		{"cluster/event/vpn-changed", "{}"},
	} {
		must(t, client.Publish(t.Context(), event[0], event[1]).Err())
	}
	for _, want := range []string{
		"module/t1 says hello\n",
		"Handler of module/t1/event/greeting exited with status \"completed\" (0) at step 10step\n",
		"Handler of node/2/event/vpn-changed exited with status \"aborted\" (2) at step 10apply_routes\n",
		"Handler of cluster/event/vpn-changed exited with status \"completed\" (0) at step 10apply_routes\n",
	} {
		p.log.await(t, want)
	}
	started := time.Now()
	p.signal(syscall.SIGUSR1)
	p.wantEnd(started, 0)
}
