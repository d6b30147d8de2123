package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/journal"
	"cluster-agent/worker/script"
	"cluster-agent/worker/workertest"
	"github.com/sirupsen/logrus"
)

// bareStep is how a bare agent starts the no-op: with package os/exec, as the agent
// does it, or so and with the agent's journal; or not at all, without the journal and with it.
func bareStep(ctx context.Context, id, dir string, slack time.Duration) (step, error) {
	actions := filepath.Join(dir, "actions")
	nothing := func(context.Context) (output, errput string, err error) { return "", "", nil }
	switch id {
	case bareNothing:
		return nothing, nil
	case bareRecorded:
		return journaled(nothing, filepath.Join(dir, "bare-recorded"))
	case bareExec:
		return func(ctx context.Context) (output, errput string, err error) {
			return execStep(ctx, filepath.Join(actions, "noop", stepName))
		}, nil
	}
	call, err := borrowCall(ctx, id)
	if err != nil {
		return nil, err
	}
	runner := &script.Runner{Environ: os.Environ(), Environment: filepath.Join(dir, "environment"), TimerSlack: slack}
	action, err := script.NewSource(actions, runner).Lookup("noop")
	if err != nil {
		return nil, err
	}
	run := func(ctx context.Context) (output, errput string, err error) {
		return "", "", action.Steps[0].Run(ctx, call) // a no-op prints nothing
	}
	if id == bareJournal {
		return journaled(run, filepath.Join(dir, "bare-journal"))
	}
	return run, nil
}

// journaled has each task begun on disk before its step, and forgotten after it.
func journaled(run step, dir string) (step, error) {
	records, warning, err := journal.Open(dir)
	if err = errors.Join(warning, err); err != nil {
		return nil, err
	}
	var tasks atomic.Uint64
	return func(ctx context.Context) (output, errput string, err error) {
		id := fmt.Sprintf("%032x", tasks.Add(1))
		task := worker.Task{ID: id, Action: "noop", Key: id}
		if err = records.Begin(task, stepName)(); err != nil {
			return "", "", err
		}
		output, errput, err = run(ctx)
		return output, errput, errors.Join(err, records.Forget(task, &worker.Result{Final: worker.Progress{Status: worker.Completed, Percent: 100}}))
	}, nil
}

// borrowCall has an engine begin a task that never ends, and returns the call of
// its only step. The runner needs one, and only an engine makes them.
func borrowCall(ctx context.Context, id string) (*worker.Call, error) {
	calls := make(chan *worker.Call, 1)
	actions, err := worker.NewRegistry([]worker.Action{{Name: "lend", Steps: []worker.Step{{
		Name: "10lend", Run: func(ctx context.Context, call *worker.Call) error { calls <- call; <-ctx.Done(); return nil },
	}}}})
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	memory := workertest.NewMemory(id)
	instance := memory.Open()
	engine, err := worker.New(worker.Config{
		AgentID: id, Actions: actions, Queue: instance, Board: instance, Journal: workertest.NewJournal(), Log: logrus.NewEntry(log),
	})
	if err != nil {
		return nil, err
	}
	go engine.Run(ctx)
	memory.Push(nil, `{"id":"lent","action":"lend","data":{}}`)
	return <-calls, nil
}
