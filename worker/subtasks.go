package worker

import (
	"context"
	"sync"
)

// mostDescents is how many subtasks may run over the limit of which each was pushed by the one
// before: an action that calls itself would go on for ever.
const mostDescents = 8

// subtasks are those that a running task has pushed, and may be waiting for: if all slots were taken
// by such tasks, none would ever end. So they run over the limit, one of each task at a time.
type subtasks struct {
	awake chan struct{} // some may be there to be served

	mu       sync.Mutex
	waiting  bool            // some may stand in the queue
	parents  map[string]bool // ids of tasks of which one runs over the limit
	descents map[string]int  // from a task within the limit, by the ids of those that run over it
	deepest  func()          // is called when one would have to run that may not
}

func newSubtasks(deepest func()) *subtasks {
	return &subtasks{
		awake: make(chan struct{}, 1), parents: map[string]bool{}, descents: map[string]int{}, deepest: sync.OnceFunc(deepest),
	}
}

// notice says that one was seen in the queue.
func (s *subtasks) notice() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = true
}

// wake has them served, if there may be some.
func (s *subtasks) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting {
		wake(s.awake)
	}
}

// look tells whether to look for one in the queue. If there is none, nobody looks again before one
// is noticed, or one has ended.
func (s *subtasks) look() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.waiting
	s.waiting = false
	return was
}

// mayBegin tells whether a subtask of that task may run over the limit.
func (s *subtasks) mayBegin(parent string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.descents[parent] >= mostDescents {
		s.deepest()
		return false
	}
	return !s.parents[parent]
}

// begin notes that one runs over the limit, until the function returned is called.
func (s *subtasks) begin(id, parent string) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parents[parent], s.descents[id] = true, s.descents[parent]+1
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.parents, parent)
		delete(s.descents, id)
		s.waiting = true
	}
}

// serveSubtasks runs subtasks over the limit while all slots are taken, until looking ends.
func (w *Worker) serveSubtasks(looking, ctx context.Context) {
	tasks := w.hire(ctx)
	defer tasks.dismiss()
	for {
		select {
		case <-w.subtasks.awake:
		case <-looking.Done():
			return
		}
		for w.short.Load() && w.subtasks.look() {
			task, found, err := w.cfg.Queue.Withdraw(looking, w.isDue)
			if err != nil {
				w.ignored(err)
			}
			if !found {
				break
			}
			w.start(ctx, tasks, task, w.subtasks.begin(task.ID, task.Parent))
		}
	}
}

// isDue tells whether a task of the queue may run over the limit. Whatever keeps the queue from giving
// it, it is asked for again.
func (w *Worker) isDue(task Task) bool {
	due := w.running.has(task.Parent) && w.subtasks.mayBegin(task.Parent) && !w.isBuiltin(task)
	if due {
		w.subtasks.notice()
	}
	return due
}
