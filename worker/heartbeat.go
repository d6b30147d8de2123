package worker

import (
	"sync"
	"time"
)

// heart beats at every interval until it is stopped.
type heart struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func startHeart(interval time.Duration, beat func()) *heart {
	h := &heart{}
	h.mu.Lock() // the first beat may come before the timer is known
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(interval, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.stopped {
			beat()
			h.timer.Reset(interval)
		}
	})
	return h
}

// stop ends the beating; no beat is under way any more when it returns.
func (h *heart) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	h.timer.Stop()
}
