package script_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"cluster-agent/worker"
	"cluster-agent/worker/script"
	"cluster-agent/worker/workertest"
)

// program does nothing.
const program = "/bin/true"

// caller runs files as steps of one task, which goes on until the test ends, so
// that a test can look at a single step, or run many at once.
type caller struct {
	runner *script.Runner
	call   *worker.Call
	log    *test.Hook
	dir    string
}

func newCaller(tb testing.TB, data string) *caller {
	tb.Helper()
	logger, log := test.NewNullLogger()
	c := &caller{log: log, dir: tb.TempDir()}
	c.runner = &script.Runner{Environ: os.Environ(), Environment: filepath.Join(c.dir, "environment")}
	tb.Cleanup(func() {
		if err := c.runner.Close(); err != nil {
			tb.Error(err)
		}
	})
	c.call = taskOf(tb, data, logrus.NewEntry(logger))
	return c
}

// taskOf has an engine begin a task, and returns the call of its only step,
// which ends with the test.
func taskOf(tb testing.TB, data string, log *logrus.Entry) *worker.Call {
	tb.Helper()
	calls := make(chan *worker.Call, 1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	actions, err := worker.NewRegistry([]worker.Action{{Name: "a", Steps: []worker.Step{{
		Name: "10", Run: func(ctx context.Context, call *worker.Call) error { calls <- call; <-ctx.Done(); return nil },
	}}}})
	if err != nil {
		tb.Fatal(err)
	}
	memory := workertest.NewMemory("module/m1")
	instance := memory.Open()
	engine, err := worker.New(worker.Config{AgentID: "module/m1", Actions: actions, Queue: instance, Board: instance, Journal: workertest.NewJournal(), Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		engine.Run(ctx)
	}()
	tb.Cleanup(func() { cancel(); <-ended })
	memory.Push(nil, `{"id":"1","action":"a","user":"joe","data":`+data+`}`)
	return <-calls
}

// script writes a shell script and returns its path.
func (c *caller) script(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(c.dir, "step")
	writeFile(t, path, 0o755, "#!/bin/sh\n"+content+"\n")
	return path
}

// code is the exit code that a step's error stands for.
func code(err error) int {
	var exit *worker.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	default:
		return -1
	}
}
