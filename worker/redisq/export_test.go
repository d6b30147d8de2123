package redisq

import "time"

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
