package redisq

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cluster-agent/worker"
)

// ended remembers what tasks came to, for a while: a leader that dies may take
// its last writes with it, and the next one then has a task in its lists that has
// run, and no result of it.
type ended struct {
	tasks map[string]past // by key
	order []string        // of the tasks, the oldest first
	full  []string        // those of them whose output is remembered, too
	bytes int             // of output
}

// past is a task that has ended.
type past struct {
	result     worker.Result
	at         time.Time // when it ended
	connection int64     // over which it was fetched; 0: in an earlier life
	doubtful   bool      // its result may be in a Redis in which it waits, too
	stripped   bool      // of what it printed
}

// What is remembered: that a task has run for longer than what it printed, since
// to run it again may do harm. For as long as Redis should have its result: if that
// is missing, it was lost.
const (
	endedTime  = resultTTL
	endedTasks = 8192
	endedBytes = 4 << 20
)

// doubtTime is how long after its end a task may be in a Redis that has its result, too:
// longer than a replica lags behind.
const doubtTime = time.Minute

// add remembers one, and forgets what is too old or too much.
func (e *ended) add(key string, p past) {
	if _, again := e.tasks[key]; again {
		e.forget(key)
	}
	e.tasks[key] = p
	e.order = append(e.order, key)
	if p.size() > 0 {
		e.full = append(e.full, key)
		e.bytes += p.size()
	}
	if p.size() > endedBytes/4 {
		e.strip(key)
	}
	for e.bytes > endedBytes {
		e.strip(e.full[0])
	}
	for p.at.Sub(e.tasks[e.order[0]].at) > endedTime || len(e.order) > endedTasks {
		e.forget(e.order[0])
	}
}

// addEarlier remembers the tasks of earlier lives.
func (e *ended) addEarlier(tasks []worker.Ended) {
	for _, task := range tasks {
		e.add(task.Key, past{result: task.Result, at: task.At})
	}
}

// lately returns a task if it ended so lately that Redis should have its result.
func (e *ended) lately(key string) (past, bool) {
	p, known := e.tasks[key]
	return p, known && time.Since(p.at) < endedTime
}

// forget forgets a task, most often the oldest.
func (e *ended) forget(key string) {
	if e.tasks[key].size() > 0 {
		e.strip(key)
	}
	e.order = without(e.order, key)
	delete(e.tasks, key)
}

// strip forgets what a task has printed.
func (e *ended) strip(key string) {
	p := e.tasks[key]
	e.full = without(e.full, key)
	e.bytes -= p.size()
	p.result.Output, p.result.Error, p.stripped = nil, nil, true
	e.tasks[key] = p
}

// without takes a key out of a list, at whose beginning it is as a rule.
func without(keys []string, key string) []string {
	if keys[0] == key {
		return keys[1:]
	}
	return slices.Delete(keys, slices.Index(keys, key), slices.Index(keys, key)+1)
}

// size is that of the output, as far as it is remembered.
func (p past) size() int { return len(p.result.Output) + len(p.result.Error) }

// remembered is the result to be stored again.
func (p past) remembered() worker.Result {
	if p.stripped {
		p.result.Error = []byte("output and error text were lost by Redis, and are not remembered\n")
	}
	return p.result
}

// remember notes the result of a task that is stored.
func (t *Tasks) remember(task worker.Task, result worker.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	result.Held = slices.Clone(result.Held[:min(1, len(result.Held))]) // they all say 100 %
	p := past{result: result, at: wallTime(), connection: t.connection()}
	if h, held := t.held[string(task.Payload)]; held {
		p.connection, p.doubtful = h.connection, h.epoch < t.epoch()
	}
	// A Redis that had both the task and its result may come back with both.
	p.doubtful = p.doubtful || t.ended.tasks[task.Key].isDoubtful()
	t.ended.add(task.Key, p)
}

// recall returns what is remembered of a task that Redis may have lost sight of
// since it was fetched.
func (t *Tasks) recall(key string) (past, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, known := t.ended.lately(key)
	return p, known && p.connection < t.connection()
}

// isDoubtful tells whether that Redis has a result of the task does not say that it was
// pushed once more.
func (p past) isDoubtful() bool { return p.doubtful && time.Since(p.at) < doubtTime }

// restore stores the result of a task again that came back, although it has run,
// from a Redis that has lost both, or that got the result while the task waited
// there again. false: it is to be run.
func (t *Tasks) restore(ctx context.Context, taken stray, task worker.Task) (bool, error) {
	p, known := t.recall(task.Key)
	if !known {
		return false, nil
	}
	if !p.isDoubtful() {
		stored, err := t.hasResult(ctx, task)
		if err != nil || stored {
			return false, err // it was pushed once more
		}
	}
	result := p.remembered()
	t.opt.Log.Warnf("task/%s/%s: has run, and was lost sight of by Redis: its result is stored again", t.opt.Agent, task.ID)
	t.hold(taken.payload, taken.epoch) // Redis may lose sight of it once more
	defer t.release(taken.payload)
	if err := t.finish(ctx, task, result); err != nil {
		return true, fmt.Errorf("restore result: %w", err)
	}
	t.remember(task, result)
	return true, nil
}
