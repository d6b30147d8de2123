package redisq

import (
	"strconv"
	"time"

	"cluster-agent/worker"
)

// SetSilence shortens how long a server of events may be silent.
func (e *Events) SetSilence(d time.Duration) { e.silence = d }

// Waiting is how many events have been received and not handed out.
func (e *Events) Waiting() int { return len(e.received) }

// WaitingWrites is how many writes are not under way yet.
func (t *Tasks) WaitingWrites() int {
	t.outbox.mu.Lock()
	defer t.outbox.mu.Unlock()
	return len(t.outbox.waiting)
}

// EndedTasks is how many tasks that have ended are remembered.
const EndedTasks = endedTasks

// Remembered is how many results are, of so many that came one after another.
func Remembered(results, output int, every time.Duration) int {
	e := ended{tasks: map[string]past{}}
	began := time.Now()
	for n := range results {
		result := worker.Result{Output: make([]byte, output)}
		e.add(strconv.Itoa(n), past{result: result, at: began.Add(time.Duration(n) * every)})
	}
	if len(e.order) != len(e.tasks) {
		return -1
	}
	return len(e.tasks)
}
