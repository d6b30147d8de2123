package main

import (
	"context"
	"fmt"
	"time"

	"cluster-agent/worker/redisq"
)

// watchInterval is how often a call that waits looks for the agent. What it sees
// counts when it sees it twice: an agent that is restarted is back within a second.
const watchInterval = 3 * time.Second

// sight is what a look for an agent came to.
type sight int

const (
	present sight = iota
	gone          // the agent is not connected
	dark          // Redis does not answer
)

// watcher looks for the agent that a task was given to, and tells when it goes
// and when it is back: the task is settled then, and nobody knows when that is.
type watcher struct {
	client  *redisq.Client
	agent   string
	maxIdle time.Duration
	say     func(line string)

	said sight // what the user knows
	seen sight // by the last look
}

// run looks until ctx ends.
func (w *watcher) run(ctx context.Context) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := w.look(ctx)
		if ctx.Err() == nil {
			w.note(now)
		}
	}
}

func (w *watcher) look(ctx context.Context) sight {
	ctx, cancel := context.WithTimeout(ctx, watchInterval)
	defer cancel()
	alive, err := w.client.Alive(ctx, w.agent, w.maxIdle)
	switch {
	case err != nil:
		return dark
	case !alive:
		return gone
	}
	return present
}

// note tells a change, a bad one when it has been seen twice.
func (w *watcher) note(now sight) {
	again := now == w.seen
	w.seen = now
	if now == w.said || now != present && !again {
		return
	}
	before := w.said
	w.said = now
	w.say(w.news(before, now))
}

func (w *watcher) news(before, now sight) string {
	switch {
	case now == dark:
		return "Redis does not answer, waiting for it; Ctrl-C ends the wait"
	case now == gone:
		return fmt.Sprintf("agent %s has gone, the task is settled when it is back; Ctrl-C ends the wait", w.agent)
	case before == dark:
		return "Redis answers again"
	}
	return fmt.Sprintf("agent %s is back", w.agent)
}
