package worker

import (
	"context"
	"sync"
)

// running knows the tasks that run now, to cancel one of them.
type running struct {
	mu    sync.Mutex
	tasks map[string]context.CancelCauseFunc
}

func newRunning() *running {
	return &running{tasks: map[string]context.CancelCauseFunc{}}
}

// add makes a task known; the function returned takes it out again.
func (r *running) add(id string, cancel context.CancelCauseFunc) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks[id] = cancel
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.tasks, id)
	}
}

// cancel ends the context of a task; false if it does not run here.
func (r *running) cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	stop, found := r.tasks[id]
	if found {
		stop(errCancelled)
	}
	return found
}
