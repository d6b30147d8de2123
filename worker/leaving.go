package worker

import (
	"context"
	"sync"
)

// leaving are the tasks whose results are on their way to the board. One that the board
// does not take is handed out again, it may be before the journal has it: who gets it then
// has to wait, or would take it for another task with the same payload, and run it.
type leaving struct {
	mu    sync.Mutex
	tasks map[string]chan struct{} // by key; closed when the last one's way has ended
	count map[string]int
}

func newLeaving() *leaving {
	return &leaving{tasks: map[string]chan struct{}{}, count: map[string]int{}}
}

// begin notes a task; end says that board or journal has its result.
func (l *leaving) begin(key string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[key]++; l.count[key] == 1 {
		l.tasks[key] = make(chan struct{})
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.count[key]--; l.count[key] == 0 {
			close(l.tasks[key])
			delete(l.tasks, key)
			delete(l.count, key)
		}
	}
}

// wait waits until no result of a task with that key is on its way, or ctx ends.
func (l *leaving) wait(ctx context.Context, key string) {
	l.mu.Lock()
	gone := l.tasks[key]
	l.mu.Unlock()
	if gone == nil {
		return
	}
	select {
	case <-gone:
	case <-ctx.Done():
	}
}
