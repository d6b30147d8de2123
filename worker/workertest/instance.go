package workertest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"cluster-agent/worker"
)

// MemoryInstance is one life of an agent on a [Memory].
type MemoryInstance struct {
	memory *Memory

	// Guarded by the memory's lock.
	before []string       // what stood in progress when this life looked first
	looked bool           // it has
	held   map[string]int // payloads handed out and not finished
	seen   int            // payloads of the queue that Ahead knows, counted since it is there
}

var _ Instance = (*MemoryInstance)(nil)

// Open begins a life.
func (m *Memory) Open() *MemoryInstance {
	return &MemoryInstance{memory: m, held: map[string]int{}}
}

// Next implements [worker.Queue].
func (i *MemoryInstance) Next(ctx context.Context, _ int) (worker.Task, error) {
	payload, err := i.take(ctx)
	if err != nil {
		return worker.Task{}, err
	}
	task, err := worker.DecodeTask([]byte(payload))
	if err != nil {
		i.memory.change(func() { i.memory.forget(payload); i.release(payload) })
	}
	return task, err
}

// take hands out what was taken before and not told of, else the next of the queue.
func (i *MemoryInstance) take(ctx context.Context) (payload string, err error) {
	for taken := false; !taken; {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err := i.memory.wait(ctx, i.something); err != nil {
			return "", err
		}
		i.memory.change(func() { payload, taken = i.takeNow() })
	}
	return payload, nil
}

func (i *MemoryInstance) something() bool {
	return !i.looked || len(i.unheld()) > 0 || len(i.memory.waiting) > 0
}

func (i *MemoryInstance) takeNow() (string, bool) {
	m := i.memory
	if !i.looked {
		i.looked, i.before = true, slices.Clone(m.inProgress)
	}
	if strays := i.unheld(); len(strays) > 0 {
		i.held[strays[0]]++
		return strays[0], true
	}
	if len(m.waiting) == 0 {
		return "", false
	}
	payload := m.takeWaiting(0)
	if m.loseReply {
		m.loseReply = false
		return "", false
	}
	i.held[payload]++
	return payload, true
}

// Ahead implements [worker.Queue].
func (i *MemoryInstance) Ahead(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	return i.pick(ctx, func() int { return max(0, i.seen-i.memory.taken) }, func(task worker.Task) bool {
		if wanted(task) {
			return true
		}
		i.seen++
		return false
	})
}

// Withdraw implements [worker.Queue].
func (i *MemoryInstance) Withdraw(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	return i.pick(ctx, func() int { return 0 }, wanted)
}

// Holds implements [worker.Queue].
func (i *MemoryInstance) Holds(ctx context.Context, wanted func(worker.Task) bool) (held bool, err error) {
	err = i.unlessEnded(ctx, func() {
		held = slices.ContainsFunc(i.memory.inProgress, func(payload string) bool {
			task, undecodable := worker.DecodeTask([]byte(payload))
			return undecodable == nil && wanted(task)
		})
	})
	return held, err
}

// pick takes a wanted task from anywhere in the queue, from some place on.
func (i *MemoryInstance) pick(ctx context.Context, from func() int, wanted func(worker.Task) bool) (picked worker.Task, found bool, err error) {
	err = i.unlessEnded(ctx, func() {
		for at := from(); at < len(i.memory.waiting) && !found; at++ {
			task, undecodable := worker.DecodeTask([]byte(i.memory.waiting[at]))
			if undecodable == nil && wanted(task) {
				picked, found = task, true
				i.held[i.memory.takeWaiting(at)]++
			}
		}
	})
	return picked, found, err
}

// Known implements [worker.Queue].
func (i *MemoryInstance) Known(ctx context.Context) (map[string]bool, error) {
	keys := map[string]bool{}
	err := i.unlessEnded(ctx, func() {
		for _, payload := range slices.Concat(i.memory.inProgress, i.memory.waiting) {
			keys[worker.KeyOf([]byte(payload))] = true
		}
	})
	return keys, err
}

// unheld are the payloads in progress that this life was not told of.
func (i *MemoryInstance) unheld() []string {
	seen := map[string]int{}
	var strays []string
	for _, payload := range i.memory.inProgress {
		if seen[payload]++; seen[payload] > i.held[payload] {
			strays = append(strays, payload)
		}
	}
	return strays
}

func (i *MemoryInstance) release(payload string) {
	if i.held[payload]--; i.held[payload] <= 0 {
		delete(i.held, payload)
	}
}

// Accept implements [worker.Board].
func (i *MemoryInstance) Accept(_ context.Context, task worker.Task) {
	i.memory.change(func() {
		i.memory.record(task.ID)["context"] = masked(task.Payload)
		i.memory.tell(task.ID, Told{Progress: worker.Progress{Status: worker.Pending}})
	})
}

// Report implements [worker.Board].
func (i *MemoryInstance) Report(_ context.Context, task worker.Task, p worker.Progress) {
	i.memory.change(func() { i.memory.tell(task.ID, Told{Progress: p}) })
}

// Heartbeat implements [worker.Board].
func (i *MemoryInstance) Heartbeat(_ context.Context, task worker.Task, p worker.Progress) {
	i.memory.change(func() { i.memory.tell(task.ID, Told{Progress: p, Heartbeat: true}) })
}

// Finish implements [worker.Board].
func (i *MemoryInstance) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	var other error
	err := i.unlessEnded(ctx, func() {
		if _, known := i.memory.results[task.ID]; known && task.Payload == nil {
			other = worker.ErrOtherResult
			return
		}
		i.memory.store(task, result)
		i.release(string(task.Payload))
	})
	return errors.Join(err, other)
}

func (i *MemoryInstance) unlessEnded(ctx context.Context, do func()) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	i.memory.change(do)
	return nil
}

// Return implements [Instance].
func (i *MemoryInstance) Return(ctx context.Context) error {
	return i.unlessEnded(ctx, func() {
		if !i.looked {
			return
		}
		strays := slices.DeleteFunc(i.unheld(), func(payload string) bool { return slices.Contains(i.before, payload) })
		for _, payload := range strays {
			i.memory.forget(payload)
		}
		i.memory.waiting = append(strays, i.memory.waiting...)
	})
}

// Close implements [Instance].
func (i *MemoryInstance) Close() error { return nil }

// masked replaces secrets where the suite has them: at the top of a task's data.
func masked(payload []byte) string {
	var task map[string]any
	if err := json.Unmarshal(payload, &task); err != nil {
		panic(err)
	}
	data, ok := task["data"].(map[string]any)
	for key := range data {
		if ok && strings.HasSuffix(key, "password") {
			data[key] = "XXX"
		}
	}
	text, err := json.Marshal(task)
	if err != nil {
		panic(err)
	}
	return string(text)
}
