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
	warned   map[string]bool // ids of tasks that are too far from it
	warn     func(id string) // is called for each of these
}

func newSubtasks(warn func(id string)) *subtasks {
	return &subtasks{
		awake: make(chan struct{}, 1), parents: map[string]bool{}, descents: map[string]int{}, warned: map[string]bool{}, warn: warn,
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
	if s.descents[parent] < mostDescents {
		return !s.parents[parent]
	}
	if !s.warned[parent] {
		s.warned[parent] = true
		s.warn(parent)
	}
	return false
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
		delete(s.warned, id)
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
		for w.short.Load() && w.subtasks.look() && w.serveSubtask(looking, ctx, tasks) {
		}
	}
}

// serveSubtask runs the next one, if there is one. Meanwhile the worker counts as busy: tasks have to be taken as
// long as one that is on its way may push some. When a drain has come to where nothing runs, nobody waits for
// one any more, and a Redis that is away, or refuses, does not hold up the end.
func (w *Worker) serveSubtask(looking, ctx context.Context, tasks *crew) (found bool) {
	w.busy.add()
	defer w.busy.done()
	looking, stop := w.untilDrained(looking, w.tasks)
	defer stop()
	task, found, err := w.cfg.Queue.Withdraw(looking, w.isDue)
	if err != nil {
		w.cfg.Log.Debugf("look for subtasks in the queue: %v", err) // the worker ends
	}
	if found {
		w.start(ctx, tasks, task, w.subtasks.begin(task.ID, task.Parent))
	}
	return found
}

// isDue tells whether a task of the queue may run over the limit. Whatever keeps the queue from giving
// it, it is asked for again.
func (w *Worker) isDue(task Task) bool {
	due := w.running.has(task.Parent) && w.subtasks.mayBegin(task.Parent)
	if due {
		w.subtasks.notice()
	}
	return due
}

func (w *Worker) warnOfDescents(id string) {
	w.cfg.Log.Warnf("%s: runs over the limit as the %dth subtask in a row, its own have to wait for a slot; does its action call itself?",
		w.subject(Task{ID: id}), mostDescents)
}
