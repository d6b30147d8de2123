package worker

import (
	"context"
	"slices"
	"sync"
)

// running knows the tasks of which steps run now, or will, to cancel one of them.
type running struct {
	mu    sync.Mutex
	tasks map[string][]runningTask // more than one only if an id was used twice
}

type runningTask struct {
	done   <-chan struct{} // of its context, which no other task has
	cancel context.CancelCauseFunc
}

func newRunning() *running {
	return &running{tasks: map[string][]runningTask{}}
}

// add makes a task known, until its end is told.
func (r *running) add(ctx context.Context, id string, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks[id] = append(r.tasks[id], runningTask{ctx.Done(), cancel})
}

// end takes the task with a context out again, if it is still there.
func (r *running) end(ctx context.Context, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := slices.DeleteFunc(r.tasks[id], func(task runningTask) bool { return task.done == ctx.Done() })
	if r.tasks[id] = rest; len(rest) == 0 {
		delete(r.tasks, id)
	}
}

// has tells whether a task runs here.
func (r *running) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tasks[id]) > 0
}

// cancel ends the context of a task; false if it does not run here.
func (r *running) cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, task := range r.tasks[id] {
		task.cancel(errCancelled)
	}
	return len(r.tasks[id]) > 0
}
