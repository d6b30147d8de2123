package workertest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"cluster-agent/worker"
)

// MemoryInstance is one life of an agent on a [Memory].
type MemoryInstance struct {
	memory *Memory

	// Guarded by the memory's lock.
	settled bool           // what the life before left has been settled
	held    map[string]int // payloads handed out and not finished
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
	return !i.settled || len(i.unheld()) > 0 || len(i.memory.waiting) > 0
}

func (i *MemoryInstance) takeNow() (string, bool) {
	m := i.memory
	if !i.settled {
		i.settle()
		return "", false
	}
	if strays := i.unheld(); len(strays) > 0 {
		i.held[strays[0]]++
		return strays[0], true
	}
	if len(m.waiting) == 0 {
		return "", false
	}
	payload := m.waiting[0]
	m.waiting = m.waiting[1:]
	m.inProgress = append(m.inProgress, payload)
	if m.loseReply {
		m.loseReply = false
		return "", false
	}
	i.held[payload]++
	return payload, true
}

// settle gives the tasks of the life before their result.
func (i *MemoryInstance) settle() {
	i.settled = true
	for _, payload := range slices.Clone(i.memory.inProgress) {
		task, err := worker.DecodeTask([]byte(payload))
		if err != nil {
			i.memory.forget(payload)
			continue
		}
		i.memory.store(task, worker.Result{
			Error: []byte("interrupted\n"), ExitCode: worker.ExitInterrupted,
			Final: worker.Progress{Status: worker.Aborted},
		})
	}
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
func (i *MemoryInstance) Accept(ctx context.Context, task worker.Task) error {
	err := i.unlessEnded(ctx, func() {
		i.memory.record(task.ID)["context"] = masked(task.Payload)
		i.memory.tell(task.ID, Told{Progress: worker.Progress{Status: worker.Pending}})
	})
	if err != nil {
		i.memory.change(func() { i.release(string(task.Payload)) })
	}
	return err
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
	return i.unlessEnded(ctx, func() {
		i.memory.store(task, result)
		i.release(string(task.Payload))
	})
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
		if !i.settled {
			return
		}
		strays := i.unheld()
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
