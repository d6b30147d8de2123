package workertest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"cluster-agent/worker"
)

// Memory holds the queue and the board of one agent, as Redis would: it outlives
// the agent, whose lives are [MemoryInstance]s. All methods may be called at once.
type Memory struct {
	agent string

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced at every change
	waiting    []string
	inProgress []string
	records    map[string]map[string]string
	results    map[string]worker.Result
	news       []News
	told       map[string][]Told
	loseReply  bool
	taken      int // payloads that were taken from the queue
}

// Told is one message on a task's progress.
type Told struct {
	worker.Progress
	Heartbeat bool
}

var _ Remote = (*Memory)(nil)

// NewMemory returns the empty queue and board of an agent.
func NewMemory(agent string) *Memory {
	return &Memory{
		agent: agent, changed: make(chan struct{}), told: map[string][]Told{},
		records: map[string]map[string]string{}, results: map[string]worker.Result{},
	}
}

// change does something to the memory and wakes those who wait for it.
func (m *Memory) change(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
	close(m.changed)
	m.changed = make(chan struct{})
}

// wait blocks until ready says so, asking after every change.
func (m *Memory) wait(ctx context.Context, ready func() bool) error {
	for {
		m.mu.Lock()
		done, changed := ready(), m.changed
		m.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Push implements [Remote].
func (m *Memory) Push(_ *testing.T, payloads ...string) {
	m.change(func() { m.waiting = append(m.waiting, payloads...) })
}

// Strand is for [Fixture].
func (m *Memory) Strand(_ *testing.T, payloads ...string) {
	m.change(func() { m.inProgress = append(m.inProgress, payloads...) })
}

// LoseReply is for [Fixture].
func (m *Memory) LoseReply(*testing.T) {
	m.change(func() { m.loseReply = true })
}

// Lists implements [Remote].
func (m *Memory) Lists(*testing.T) Lists {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Lists{Waiting: slices.Clone(m.waiting), InProgress: slices.Clone(m.inProgress)}
}

// Record implements [Remote].
func (m *Memory) Record(_ *testing.T, id string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.records[id])
}

// Watch implements [Remote].
func (m *Memory) Watch(t *testing.T) func() News {
	t.Helper()
	m.mu.Lock()
	next := len(m.news)
	m.mu.Unlock()
	return func() News {
		t.Helper()
		if err := m.wait(t.Context(), func() bool { return len(m.news) > next }); err != nil {
			t.Fatalf("wait for news: %v", err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		next++
		return m.news[next-1]
	}
}

// Told returns what has been told of a task so far.
func (m *Memory) Told(id string) []Told {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told[id])
}

// WaitTold blocks until the task has shown this progress.
func (m *Memory) WaitTold(t *testing.T, id string, p worker.Progress) {
	t.Helper()
	shown := func() bool {
		return slices.ContainsFunc(m.told[id], func(told Told) bool { return told.Progress == p })
	}
	if err := m.wait(t.Context(), shown); err != nil {
		t.Fatalf("wait until %s is %+v: %v; told %+v", id, p, err, m.Told(id))
	}
}

// Result blocks until a task has its result.
func (m *Memory) Result(t *testing.T, id string) worker.Result {
	t.Helper()
	finished := func() bool { _, ok := m.results[id]; return ok }
	if err := m.wait(t.Context(), finished); err != nil {
		t.Fatalf("wait for the result of %s: %v", id, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.results[id]
}

// Finished tells whether a task has its result.
func (m *Memory) Finished(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.results[id]
	return ok
}

// tell publishes a progress; the caller is within change.
func (m *Memory) tell(id string, told Told) {
	text, err := json.Marshal(told.Progress)
	if err != nil {
		panic(err)
	}
	m.told[id] = append(m.told[id], told)
	m.news = append(m.news, News{Channel: Fixture{Agent: m.agent}.taskNews(id), Payload: string(text)})
}

// store keeps a result and tells of it; the caller is within change.
func (m *Memory) store(task worker.Task, result worker.Result) {
	for _, p := range result.Held {
		m.tell(task.ID, Told{Progress: p})
	}
	record := m.record(task.ID)
	record["output"], record["error"] = string(result.Output), string(result.Error)
	record["exit_code"] = strconv.Itoa(result.ExitCode)
	m.results[task.ID] = result
	m.forget(string(task.Payload))
	for _, event := range result.Announcements {
		m.news = append(m.news, News{Channel: event.Channel, Payload: string(event.Payload)})
	}
	m.tell(task.ID, Told{Progress: result.Final})
}

func (m *Memory) record(id string) map[string]string {
	if m.records[id] == nil {
		m.records[id] = map[string]string{}
	}
	return m.records[id]
}

// forget takes a payload out of the list in progress, once.
func (m *Memory) forget(payload string) {
	if at := slices.Index(m.inProgress, payload); at >= 0 {
		m.inProgress = slices.Delete(m.inProgress, at, at+1)
	}
}

// takeWaiting moves a payload of the queue into the list in progress; the caller
// is within change.
func (m *Memory) takeWaiting(at int) string {
	payload := m.waiting[at]
	m.waiting = slices.Delete(m.waiting, at, at+1)
	m.inProgress = append(m.inProgress, payload)
	m.taken++
	return payload
}
