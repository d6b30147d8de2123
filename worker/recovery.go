package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// mostRuns is how often an action that may be repeated is begun, before what
// kills the agent is taken to be the action.
const mostRuns = 3

// keepAfter is how long Redis may take for a result before that is kept on
// disk, too.
const keepAfter = time.Second

// decision is what becomes of a task that was handed out.
type decision int

const (
	runIt    decision = iota
	storeIt           // it has run, and its result is kept
	settleIt          // it was, or may have been, interrupted
)

// decide tells what becomes of a task with that past.
func decide(past Past, foreign, repeatable bool) decision {
	switch {
	case past.Running:
		return runIt // equal payloads are different tasks
	case past.Kept:
		return storeIt
	case !past.Started && !foreign:
		return runIt
	case repeatable && past.Begun < mostRuns:
		return runIt
	default:
		return settleIt
	}
}

func (w *Worker) decide(task Task, past Past) decision {
	if past == (Past{}) && !task.Foreign {
		return runIt // by far the most
	}
	action, err := w.cfg.Actions.Lookup(task.Action)
	if err != nil {
		w.cfg.Log.Warnf("%s: whether it may be run again: %v", w.subject(task), err)
	}
	decided := decide(past, task.Foreign, action.Repeatable)
	if decided == runIt && past.Started && !past.Running {
		w.cfg.Log.Warnf("%s: was interrupted%s, is run again", w.subject(task), atStep(past))
	}
	return decided
}

// settle gives a task that was interrupted its result.
func (w *Worker) settle(ctx context.Context, task Task, past Past) {
	why := "the agent was interrupted while it ran the task" + atStep(past)
	if task.Foreign {
		why = "another agent of that id took the task and is gone: whether it was started is not known"
	}
	w.store(ctx, task, w.unrun(task, ExitInterrupted, atStep(past), why))
}

func atStep(past Past) string {
	if past.Step == "" {
		return ""
	}
	return " at step " + past.Step
}

// storeKept stores the result that an earlier try has left.
func (w *Worker) storeKept(ctx context.Context, task Task, past Past) {
	result, err := w.cfg.Journal.Result(task)
	if err != nil {
		w.cfg.Log.Errorf("%s: %v", w.subject(task), err)
		w.settle(ctx, task, past)
		return
	}
	w.store(ctx, task, result)
}

// store stores a result. What the board does not take is kept.
func (w *Worker) store(ctx context.Context, task Task, result Result) {
	w.storeOrKeep(ctx, task, result, w.keeper(task, result))
}

// storeInTime stores the result of a task that has run. Once patient has ended kept is kept while
// the board takes it: the agent may be gone before it is known whether the board has.
func (w *Worker) storeInTime(patient, storing context.Context, task Task, result, kept Result) {
	keep := w.keeper(task, kept)
	defer context.AfterFunc(patient, keep)()
	w.storeOrKeep(storing, task, result, keep)
}

func (w *Worker) storeOrKeep(ctx context.Context, task Task, result Result, keep func()) {
	defer w.leaving.begin(task.Key)()
	late := time.AfterFunc(keepAfter, keep)
	err := w.cfg.Board.Finish(ctx, task, result)
	late.Stop()
	if err == nil {
		w.forget(task, &result)
		return
	}
	if errors.Is(err, ErrOtherResult) {
		w.cfg.Log.Warnf("%s: %v, and stays: exit code %d of this agent is dropped", w.subject(task), err, result.ExitCode)
		w.forget(task, nil)
		return
	}
	w.cfg.Log.Errorf("%s: store result: %v; it is stored when that is possible again", w.subject(task), err)
	keep()
	w.cfg.Journal.Leave(task)
	wake(w.left)
}

// keeper makes a function that keeps a result, unless it has done so before: there is more than
// one occasion for it.
func (w *Worker) keeper(task Task, result Result) func() {
	var mu sync.Mutex
	kept := false
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if kept {
			return
		}
		if err := w.cfg.Journal.Keep(task, result); err != nil {
			w.cfg.Log.Errorf("%s: %v", w.subject(task), err)
			return
		}
		kept = true
	}
}

func (w *Worker) forget(task Task, result *Result) {
	if err := w.cfg.Journal.Forget(task, result); err != nil {
		w.cfg.Log.Errorf("%s: %v", w.subject(task), err)
	}
}

// settleLeft gives the tasks that were begun, and that the queue does not know
// any more, their results: at the start, and when a result could not be stored.
// Those that stand in progress, or wait again, are handed out with the others.
func (w *Worker) settleLeft(ctx context.Context) {
	for {
		if len(w.cfg.Journal.Left()) > 0 {
			w.settleLost(ctx)
		}
		select {
		case <-w.left:
		case <-ctx.Done():
			return
		}
	}
}

func (w *Worker) settleLost(ctx context.Context) {
	known, err := w.cfg.Queue.Known(ctx)
	if err != nil {
		return // ctx has ended
	}
	for _, task := range w.cfg.Journal.Left() {
		if known[task.Key] {
			continue
		}
		w.leaving.wait(ctx, task.Key) // it may have been handed out, and have left the lists with its result
		past := w.cfg.Journal.Past(task)
		switch {
		case ctx.Err() != nil:
			return
		case past == (Past{}): // so it is
		case past.Kept:
			w.storeKept(ctx, task, past)
		default:
			w.settle(ctx, task, past)
		}
	}
}

// notBegun is the result of a task that the journal cannot take.
func (w *Worker) notBegun(task Task, err error) Result {
	return w.unrun(task, ExitFailure, "", fmt.Sprintf("not started, for the journal cannot be written: %v", err))
}

// unrun is the result of a task that the engine ends by itself; where is empty, or names the
// step that it had come to.
func (w *Worker) unrun(task Task, code int, where, why string) Result {
	w.cfg.Log.Warnf("%s: action %q status is %q (%d)%s: %s", w.subject(task), task.Action, Aborted, code, where, why)
	return Result{Error: []byte("Task " + task.ID + ": " + why + "\n"), ExitCode: code, Final: Progress{Status: Aborted}}
}
