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

type runningTask struct{ cancel context.CancelCauseFunc }

func newRunning() *running {
	return &running{tasks: map[string][]*runningTask{}}
}

// add makes a task known; the function returned takes it out again.
func (r *running) add(id string, cancel context.CancelCauseFunc) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	mine := &runningTask{cancel}
	r.tasks[id] = append(r.tasks[id], mine)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		rest := slices.DeleteFunc(r.tasks[id], func(other *runningTask) bool { return other == mine })
		if r.tasks[id] = rest; len(rest) == 0 {
			delete(r.tasks, id)
		}
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
