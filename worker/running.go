package worker

import (
	"context"
	"slices"
	"sync"
)

// running knows the tasks that run now, to cancel one of them.
type running struct {
	mu    sync.Mutex
	tasks map[string][]*runningTask // more than one only if an id was used twice
}

type runningTask struct {
	done   <-chan struct{} // of its context, which no other task has
	cancel context.CancelCauseFunc
	ended  bool // its steps have: there is nothing left to cancel
}

func newRunning() *running {
	return &running{tasks: map[string][]*runningTask{}}
}

// add makes a task known, by its context, until it is removed.
func (r *running) add(ctx context.Context, id string, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks[id] = append(r.tasks[id], &runningTask{done: ctx.Done(), cancel: cancel})
}

// end notes that its steps have ended, or that none will be run.
func (r *running) end(ctx context.Context, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, task := range r.tasks[id] {
		task.ended = task.ended || task.done == ctx.Done()
	}
}

func (r *running) remove(ctx context.Context, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := slices.DeleteFunc(r.tasks[id], func(task *runningTask) bool { return task.done == ctx.Done() })
	if r.tasks[id] = rest; len(rest) == 0 {
		delete(r.tasks, id)
	}
}

// has tells whether steps of a task run here.
func (r *running) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.tasks[id], func(task *runningTask) bool { return !task.ended })
}

// cancel ends the contexts of tasks with an id whose steps run here. known tells whether there are
// some whose steps have ended, too.
func (r *running) cancel(id string) (cancelled, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, task := range r.tasks[id] {
		if !task.ended {
			task.cancel(errCancelled)
			cancelled = true
		}
	}
	return cancelled, len(r.tasks[id]) > 0
}
