package script_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"cluster-agent/worker"
	"cluster-agent/worker/script"
	"cluster-agent/worker/workertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// agent is an engine that runs real executables, with a queue in memory.
type agent struct {
	*workertest.Memory
	t      *testing.T
	dir    string // holds actions, events and the file environment
	runner *script.Runner
	events *workertest.Events
	log    *test.Hook
	stderr *output
	worker *worker.Worker
	cancel context.CancelFunc
	ended  chan struct{}
	tasks  int
}

// start runs an agent on an empty folder until the test ends.
func start(t *testing.T, adjust ...func(*worker.Config)) *agent {
	t.Helper()
	dir := t.TempDir()
	a := &agent{
		Memory: workertest.NewMemory("module/m1"), t: t, dir: dir, stderr: &output{}, events: workertest.NewEvents(), ended: make(chan struct{}),
		runner: &script.Runner{Environ: os.Environ(), Environment: filepath.Join(dir, "environment")},
	}
	logger, hook := test.NewNullLogger()
	a.log = hook
	instance := a.Open()
	cfg := worker.Config{
		AgentID: "module/m1", Actions: a.registry("actions"), Events: a.registry("events"),
		Queue: instance, Board: instance, Journal: workertest.NewJournal(), Source: a.events, Log: logrus.NewEntry(logger), Stderr: a.stderr,
	}
	for _, change := range adjust {
		change(&cfg)
	}
	var err error
	a.worker, err = worker.New(cfg)
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	a.cancel = cancel
	go func() {
		defer close(a.ended)
		a.worker.Run(ctx)
	}()
	t.Cleanup(func() {
		a.stop()
		must(t, a.runner.Close())
	})
	return a
}

func (a *agent) registry(folder string) *worker.Registry {
	a.t.Helper()
	registry, err := worker.NewRegistry(nil, script.NewSource(filepath.Join(a.dir, folder), a.runner))
	must(a.t, err)
	return registry
}

// stop ends the agent as SIGTERM does.
func (a *agent) stop() {
	a.cancel()
	<-a.ended
}

// file writes one below the agent's folder.
func (a *agent) file(path string, mode os.FileMode, content string) {
	a.t.Helper()
	writeFile(a.t, filepath.Join(a.dir, path), mode, content)
}

// writeFile writes while nothing forks: a process forked meanwhile would hold
// the file open for writing, and executing it would fail with ETXTBSY.
func writeFile(t *testing.T, path string, mode os.FileMode, content string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), mode))
	must(t, os.Chmod(path, mode))
}

// step makes a shell script a step of action a.
func (a *agent) step(name, content string) {
	a.t.Helper()
	a.file("actions/a/"+name, 0o755, "#!/bin/sh\n"+content+"\n")
}

// push gives a task for action a and returns its id.
func (a *agent) push(data string) string {
	a.t.Helper()
	a.tasks++
	id := fmt.Sprintf("t%d", a.tasks)
	a.Push(a.t, fmt.Sprintf(`{"id":%q,"action":"a","user":"joe","data":%s}`, id, data))
	return id
}

// do runs action a and returns the result.
func (a *agent) do(data string) worker.Result {
	a.t.Helper()
	return a.Result(a.t, a.push(data))
}

// want runs action a and wants an exit code and an output.
func (a *agent) want(code int, text string) {
	a.t.Helper()
	if got := a.do("null"); got.ExitCode != code || string(got.Output) != text {
		a.t.Fatalf("got %d %q, error text %q; want %d %q", got.ExitCode, got.Output, got.Error, code, text)
	}
}

// logged tells whether a line of the log holds some words.
func (a *agent) logged(words string) bool {
	return slices.ContainsFunc(a.log.AllEntries(), func(e *logrus.Entry) bool { return strings.Contains(e.Message, words) })
}

func (a *agent) wantLogged(words string) {
	a.t.Helper()
	if !a.logged(words) {
		a.t.Errorf("the log does not say %q", words)
	}
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !ask() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// output is the agent's stderr.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
