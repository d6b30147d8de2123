package main

import (
	"fmt"
	"sync"
	"time"
)

// task is what the driver knows of one that it pushed.
type task struct {
	ID       string
	Kind     string
	Acked    bool // Redis has acknowledged the push
	Era      int  // how often Redis had lost writes when the push began
	Exposed  int  // how often it has lost some since, and the push may have been among them
	Waited   bool // a client waits for it
	Answered bool // and that has got its answer
}

// ledger knows all tasks of a run.
type ledger struct {
	mu     sync.Mutex
	tasks  map[string]*task
	acked  int
	losses int           // times that Redis has lost what it had acknowledged
	news   chan struct{} // closed and made anew when a push is acknowledged
	moved  time.Time     // when that was, or when a task came to its end
}

func newLedger() *ledger {
	return &ledger{tasks: map[string]*task{}, news: make(chan struct{}), moved: time.Now()}
}

// add notes a task that is about to be pushed, under an id that none had before.
func (l *ledger) add(kind string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := fmt.Sprintf("t%06d", len(l.tasks))
	l.tasks[id] = &task{ID: id, Kind: kind, Era: l.losses}
	return id
}

// ack notes that pushes were acknowledged.
func (l *ledger) ack(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.tasks[id].Acked = true
	}
	l.acked += len(ids)
	l.moved = time.Now()
	close(l.news)
	l.news = make(chan struct{})
}

// await notes that a client waits for a task, whose push was acknowledged.
func (l *ledger) await(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks[id].Waited = true
}

// answered notes that a client has got its answer.
func (l *ledger) answered(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks[id].Answered = true
}

// known are the tasks whose push was acknowledged so far: a copy of what Redis has
// on its disk that is made from now on has them.
func (l *ledger) known() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[string]bool{}
	for id, t := range l.tasks {
		known[id] = t.Acked
	}
	return known
}

// lose notes that Redis has lost all that it was told, but for the pushes of some
// tasks.
func (l *ledger) lose(kept map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.losses++
	for id, t := range l.tasks {
		t.Exposed += one(!kept[id])
	}
}

// touch notes that something has moved.
func (l *ledger) touch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved = time.Now()
}

// still is for how long nothing has moved.
func (l *ledger) still() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.moved)
}

// count is how many pushes were acknowledged; the channel is closed when there
// are more.
func (l *ledger) count() (acked int, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked, l.news
}

// all returns copies of all tasks, and how often Redis lost writes.
func (l *ledger) all() (tasks []task, losses int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range len(l.tasks) {
		tasks = append(tasks, *l.tasks[fmt.Sprintf("t%06d", i)])
	}
	return tasks, l.losses
}
