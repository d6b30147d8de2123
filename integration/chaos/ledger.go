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
	Era      int  // how often Redis had been emptied when the push began
	Waited   bool // a client waits for it
	Answered bool // and that has got its answer
}

// ledger knows all tasks of a run.
type ledger struct {
	mu      sync.Mutex
	tasks   map[string]*task
	acked   int
	emptied int           // times that Redis has been
	news    chan struct{} // closed and made anew when a push is acknowledged
	moved   time.Time     // when that was, or when a task came to its end
}

func newLedger() *ledger {
	return &ledger{tasks: map[string]*task{}, news: make(chan struct{}), moved: time.Now()}
}

// add notes a task that is about to be pushed, under an id that none had before.
func (l *ledger) add(kind string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := fmt.Sprintf("t%06d", len(l.tasks))
	l.tasks[id] = &task{ID: id, Kind: kind, Era: l.emptied}
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

// empty notes that Redis has lost its data.
func (l *ledger) empty() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emptied++
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

// all returns copies of all tasks, and how often Redis was emptied.
func (l *ledger) all() (tasks []task, emptied int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range len(l.tasks) {
		tasks = append(tasks, *l.tasks[fmt.Sprintf("t%06d", i)])
	}
	return tasks, l.emptied
}
