package redisq

import (
	"context"
	"fmt"
	"time"

	"cluster-agent/worker"
)

// ended remembers what tasks came to, for a while: a leader that dies may take
// its last writes with it, and the next one then has a task in its lists that has
// run, and no result of it.
type ended struct {
	tasks map[string]past // by key
	order []string        // of the tasks, the oldest first
	bytes int
}

// past is a task that has ended.
type past struct {
	result     worker.Result
	at         time.Time
	connection int64 // over which it was fetched, or a later one
}

// What is remembered.
const (
	endedTime  = time.Minute // longer than a replica lags behind
	endedTasks = 1024
	endedBytes = 1 << 20
)

// add remembers one more, and forgets what is too old or too much.
func (e *ended) add(key string, p past) {
	if _, twice := e.tasks[key]; twice || p.size() > endedBytes/4 {
		return
	}
	e.tasks[key] = p
	e.order = append(e.order, key)
	e.bytes += p.size()
	for p.at.Sub(e.tasks[e.order[0]].at) > endedTime || len(e.order) > endedTasks || e.bytes > endedBytes {
		e.forgetOldest()
	}
}

func (e *ended) forgetOldest() {
	oldest := e.order[0]
	e.order = e.order[1:]
	e.bytes -= e.tasks[oldest].size()
	delete(e.tasks, oldest)
}

func (p past) size() int { return len(p.result.Output) + len(p.result.Error) }

// remember notes the result of a task that is stored.
func (t *Tasks) remember(task worker.Task, result worker.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended.add(task.Key, past{result: result, at: time.Now(), connection: t.connection()})
}

// recall returns the result that Redis may have lost since it was stored.
func (t *Tasks) recall(key string) (worker.Result, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, known := t.ended.tasks[key]
	return p.result, known && p.connection < t.connection() && time.Since(p.at) < endedTime
}

// restore stores the result of a task again that came back, although it has run,
// from a Redis that has lost both. false: it is to be run.
func (t *Tasks) restore(ctx context.Context, taken stray) (bool, error) {
	task, undecodable := worker.DecodeTask([]byte(taken.payload))
	if undecodable != nil {
		return false, nil //nolint:nilerr // which is told of where it is handed out
	}
	result, known := t.recall(task.Key)
	if !known {
		return false, nil
	}
	stored, err := t.hasResult(ctx, task)
	if err != nil || stored {
		return false, err // it was pushed once more
	}
	t.opt.Log.Warnf("task/%s/%s: has run, and its result was lost by Redis: stored again", t.opt.Agent, task.ID)
	if err := t.finish(ctx, task, result); err != nil {
		return true, fmt.Errorf("restore result: %w", err)
	}
	return true, nil
}
