package redisq

import (
	"time"

	"cluster-agent/worker"
)

// hold notes that a payload is handed out, and in which epoch it was found.
func (t *Tasks) hold(payload string, epoch int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held[payload] = holding{count: t.held[payload].count + 1, connection: t.connection(), epoch: epoch, alive: wallTime()}
}

// beat notes a sign of life of a task.
func (t *Tasks) beat(payload string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h, ok := t.held[payload]; ok {
		h.lapsed, h.alive = h.late(wallTime(), t.opt.PollingInterval), wallTime()
		t.held[payload] = h
	}
}

// hasLapsed tells whether this agent has left a task without a sign of life, as one that
// was stopped for some time does, so that another agent of that id may have settled it.
func (t *Tasks) hasLapsed(payload string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.held[payload]
	return ok && h.late(wallTime(), t.opt.PollingInterval)
}

// wallTime goes on while the machine is suspended.
func wallTime() time.Time { return time.Now().Round(0) }

// late tells whether a heartbeat has been left out.
func (h holding) late(now time.Time, interval time.Duration) bool {
	return h.lapsed || isSilence(now.Sub(h.alive), interval)
}

// isSilence tells whether an agent of which nothing was heard for that long may be taken for gone
// by another one before long.
func isSilence(passed, interval time.Duration) bool { return passed > 2*interval }

// show notes that others are told of a task in this life.
func (t *Tasks) show(payload string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h, ok := t.held[payload]; ok {
		h.shown = true
		t.held[payload] = h
	}
}

// release notes that it is finished, or was never begun.
func (t *Tasks) release(payload string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.held[payload]
	if h.count--; h.count <= 0 {
		delete(t.held, payload)
		return
	}
	t.held[payload] = h
}

// cameBack tells whether a payload that was just fetched has been taken before:
// a Redis that has lost its last writes, or another one that had not got them
// yet, has the task in its queue again.
func (t *Tasks) cameBack(payload string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.held[payload]
	return ok && h.connection < t.connection()
}

// handedOut is how many tasks with a payload are.
func (t *Tasks) handedOut(payload string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[payload].count
}

// taken is how many tasks with a payload were, be it that they are to be handed out yet. What a fetch
// brings from now on is compared with the list in progress: it may be one of these.
func (t *Tasks) taken(payload string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.suspect = true
	count := t.held[payload].count
	for _, s := range t.strays {
		if s.payload == payload && s.list == t.own {
			count++
		}
	}
	return count
}

// isHeld tells whether such a task is held.
func (t *Tasks) isHeld(wanted func(worker.Task) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for payload := range t.held {
		if isWanted(payload, wanted) {
			return true
		}
	}
	return false
}

// isKnown tells whether a task of the queue may be one that runs, or has run, and
// came back with it: which of these it is, is looked at when it has its turn.
func (t *Tasks) isKnown(task worker.Task) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, held := t.held[string(task.Payload)]
	p, ended := t.ended.tasks[task.Key]
	return held || ended && time.Since(p.at) < doubtTime
}

// wasAway tells whether Redis may have lost sight of a task since it was taken, or
// shown by an earlier life.
func (t *Tasks) wasAway(payload string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.held[payload]
	return ok && (!h.shown || h.connection < t.connection())
}

// contextLost tells whether Redis may have lost a task's context since that was written, and
// notes that it is being written once more.
func (t *Tasks) contextLost(payload string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.held[payload]
	last := h.written
	if h.shown {
		last = max(last, h.connection)
	}
	if !ok || last == t.connection() {
		return false
	}
	h.written = t.connection()
	t.held[payload] = h
	return true
}

// connection numbers the connections over which tasks are fetched. A new one may
// lead to a Redis that has lost its last writes, or to another one.
func (t *Tasks) connection() int64 { return t.fetch.dials.Load() }

// epoch changes whenever a result may go to another Redis than the one that the
// last tasks came from: writes have a connection of their own.
func (t *Tasks) epoch() int64 { return t.connection() + max(1, t.outbox.link.dials.Load()) }

// forgetForeign notes that a task that another instance left is settled.
func (t *Tasks) forgetForeign(task worker.Task) {
	if !task.Foreign {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.foreign, task.Key)
}

// list is where a task stands while it is in progress.
func (t *Tasks) list(key string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if list, ok := t.foreign[key]; ok {
		return list
	}
	return t.own
}
