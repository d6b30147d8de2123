package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/worker"
)

// TestAgentDiesDuringRun: that is said, and the wait goes on until the task is
// settled by the agent's next life.
func TestAgentDiesDuringRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	dir := steps(t, map[string]string{"slow": cleanUp})
	agent := m.agent(module, dir)
	watch := m.watch()
	caller := start(t, m.root, nil, "api-cli", "run", module+"/slow")
	watch.await(t, `"progress":50`)
	agent.signal(syscall.SIGKILL)
	caller.log.await(t, "agent "+module+" has gone, the task is settled when it is back; Ctrl-C ends the wait\n")
	m.agent(module, dir)
	caller.said().Want(t, worker.ExitInterrupted, "", "interrupted")
}

// TestCtrlCWithoutAnAgent: nobody would hear of a task that cancels the other.
func TestCtrlCWithoutAnAgent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	agent := m.agent(module, steps(t, map[string]string{"slow": cleanUp}))
	watch := m.watch()
	caller := start(t, m.root, nil, "api-cli", "run", module+"/slow")
	watch.await(t, `"progress":50`)
	agent.signal(syscall.SIGKILL)
	agent.wait()
	started := time.Now()
	caller.signal(syscall.SIGINT)
	caller.said().Want(t, exitUnfinished, "", "stays with its agent, and is not cancelled: agent "+module+" is not connected")
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if m.redis.Client().Exists(t.Context(), module+"/tasks").Val() != 0 {
		t.Error("a task waits")
	}
}

// TestTimeout ends the wait, not the task.
func TestTimeout(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	m.agent(module, steps(t, map[string]string{"slow": "read word <" + pipe, "fast": "echo 1"}))
	watch := m.watch()
	call(m.root, "", "api-cli", "run", module+"/slow", "--timeout=500ms").
		Want(t, exitUnfinished, "", "has not ended within 500ms; it goes on\n")
	word, err := os.OpenFile(pipe, os.O_RDWR, 0) // the step need not have opened it yet
	must(t, err)
	_, err = word.WriteString("word\n")
	must(t, err)
	watch.await(t, "completed")
	must(t, word.Close())
	call(m.root, "", "api-cli", "run", module+"/fast", "--timeout=1m").Want(t, 0, "1\n", "")
}

// TestRedisRestartsDuringRun: the agent stores the result when it is back, and
// the client finds it.
func TestRedisRestartsDuringRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	m.agent(module, steps(t, map[string]string{"slow": "echo set-progress 50 >&3; read word <" + pipe + "; echo $word"}))
	watch := m.watch()
	caller := start(t, m.root, nil, "api-cli", "run", module+"/slow", "--raw")
	watch.await(t, `"progress":50`)
	m.redis.Kill()
	caller.log.await(t, "Redis does not answer, waiting for it; Ctrl-C ends the wait\n")
	m.redis.Run()
	must(t, os.WriteFile(pipe, []byte("word\n"), 0o600))
	caller.said().Want(t, 0, "word\n", "")
}

// TestWatcher: what is said of what is seen.
func TestWatcher(t *testing.T) {
	t.Parallel()
	const isGone, isBack, isDark, answers = "agent a has gone", "agent a is back", "Redis does not answer", "Redis answers again"
	for name, c := range map[string]struct {
		seen []sight
		want []string
	}{
		"all is well":       {[]sight{present, present}, nil},
		"a restart":         {[]sight{gone, present, gone, present}, nil},
		"a trouble":         {[]sight{gone, dark, gone, dark, present}, nil},
		"gone":              {[]sight{present, gone, gone, gone}, []string{isGone}},
		"and back":          {[]sight{gone, gone, present, present}, []string{isGone, isBack}},
		"and gone again":    {[]sight{gone, gone, present, gone, gone}, []string{isGone, isBack, isGone}},
		"no Redis":          {[]sight{dark, dark, dark, present}, []string{isDark, answers}},
		"and then no agent": {[]sight{dark, dark, gone, gone, present}, []string{isDark, isGone, isBack}},
		"agent, then Redis": {[]sight{gone, gone, dark, dark, gone, gone}, []string{isGone, isDark, isGone}},
	} {
		var said []string
		w := watcher{agent: "a", say: func(line string) { said = append(said, line) }}
		for _, now := range c.seen {
			w.note(now)
		}
		if !slices.EqualFunc(said, c.want, strings.HasPrefix) {
			t.Errorf("%s: said %q, want %q", name, said, c.want)
		}
	}
}
