package worker

import (
	"context"
	"fmt"
	"time"
)

// aheadInterval is how soon the engine's own actions are found behind a queue of
// tasks that wait for their turn.
const aheadInterval = 50 * time.Millisecond

func (w *Worker) isFull() bool { return len(w.slots) == cap(w.slots) }

func (w *Worker) isBuiltin(task Task) bool { return w.builtin(task.Action) != nil }

// takeSlot waits for a free slot; false if ctx ended before.
func (w *Worker) takeSlot(ctx context.Context) bool {
	select {
	case w.slots <- struct{}{}:
		return true
	default:
	}
	defer w.beShort()()
	select {
	case w.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// beShort says that a slot is waited for, until the function returned is called.
func (w *Worker) beShort() (enough func()) {
	w.short.Store(true)
	wake(w.crowded)
	return func() { w.short.Store(false) }
}

func wake(sleeper chan<- struct{}) {
	select {
	case sleeper <- struct{}{}:
	default:
	}
}

// serveAhead serves the engine's own actions while all slots are taken: a task
// may hold its slot until a cancel-task comes. It looks until looking ends; what
// it has found by then is finished.
func (w *Worker) serveAhead(looking, ctx context.Context) {
	tasks := w.hire(ctx)
	defer tasks.dismiss()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-w.crowded:
		case <-looking.Done():
			return
		}
		for w.short.Load() && looking.Err() == nil {
			timer.Reset(aheadInterval)
			select {
			case <-timer.C:
				w.lookAhead(looking, ctx, tasks)
			case <-looking.Done():
			}
		}
	}
}

// lookAhead serves what there is now, if all slots are taken still, and has subtasks served.
func (w *Worker) lookAhead(looking, ctx context.Context, tasks *crew) {
	defer w.subtasks.wake()
	for w.short.Load() {
		task, found, err := w.cfg.Queue.Ahead(looking, w.isServedAhead)
		if err != nil {
			w.cfg.Log.Debugf("look for the engine's own actions in the queue: %v", err)
		}
		if !found {
			return
		}
		w.start(ctx, tasks, task, func() {})
	}
}

// isServedAhead is asked of each task that comes, so that subtasks are noticed, too.
func (w *Worker) isServedAhead(task Task) bool {
	if w.running.has(task.Parent) && !w.cfg.RejectWhenBusy {
		w.subtasks.notice()
	}
	return w.isBuiltin(task)
}

// rejectNext takes the next task while there is no slot for it. If there is
// still none after a while, it is rejected.
func (w *Worker) rejectNext(taking, ctx context.Context, tasks *crew) {
	task, err := w.cfg.Queue.Next(taking, 1)
	if err != nil {
		w.ignored(err)
		return
	}
	if past := w.cfg.Journal.Past(task); w.isBuiltin(task) || task.Foreign || past != (Past{}) && !past.Running {
		w.start(ctx, tasks, task, func() {}) // no step is run; a repetition aside
		return
	}
	timer := time.NewTimer(w.cfg.OverloadWait)
	defer timer.Stop()
	defer w.beShort()()
	select {
	case w.slots <- struct{}{}:
		w.start(ctx, tasks, task, func() { <-w.slots })
	case <-timer.C:
		w.reject(ctx, task)
	case <-ctx.Done():
		// It stands in progress and was never begun: the next life runs it.
	}
}

func (w *Worker) reject(ctx context.Context, task Task) {
	storing, stop := outlive(ctx, w.cfg.StopGrace)
	defer stop()
	w.answer(storing, task, func() Result {
		return w.unrun(task, ExitBusy, "", fmt.Sprintf("rejected, for the agent is busy with %d tasks", cap(w.slots)))
	})
}
