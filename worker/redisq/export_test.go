package redisq

import (
	"context"
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

// MoveUnwatched takes a payload out of the queue's middle, whoever else does so at the same time.
func (t *Tasks) MoveUnwatched(ctx context.Context, payload string) (moved bool, err error) {
	client, done := t.look(ctx)
	defer done()
	return t.moveUnwatched(ctx, client, payload)
}

// LookEvery has a ticket's record looked at more often.
func (t *Ticket) LookEvery(pause time.Duration) { t.pause = pause }

// What is remembered of tasks that have ended.
const (
	EndedTasks = endedTasks
	EndedBytes = endedBytes
)

// Remembered is of how many tasks it is known that they ended, and of how many what
// they printed, of so many that came one after another. Each comes twice.
func Remembered(tasks, output int, every time.Duration) (known, full int) {
	e := ended{tasks: map[string]past{}}
	began := time.Now()
	for n := range tasks {
		for range 2 {
			result := worker.Result{Output: make([]byte, output)}
			now := began.Add(time.Duration(n) * every)
			e.add(strconv.Itoa(n), past{result: result, at: now})
		}
	}
	if len(e.order) != len(e.tasks) || e.bytes != len(e.full)*output {
		return -1, -1
	}
	return len(e.tasks), len(e.full)
}
