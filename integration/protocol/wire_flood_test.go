package protocol

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

// kind is a sort of task that a flood has, with the exit codes it may come to:
// its own, and those of a task that was interrupted (12) or stopped (14).
type kind struct {
	action string
	script string // empty: compiled into the agent
	codes  []string
}

func floodKinds() []kind {
	return []kind{
		{"list-actions", "", []string{"0", "12"}},
		{"cancel-task", "", []string{"2", "12"}},
		{"short", "echo $AGENT_TASK_ID", []string{"0", "12", "14"}},
		{"family", "sleep 0.05 & sleep 0.02; wait", []string{"0", "12", "14"}},
		{"steady", "n=0; while [ $n -lt 100 ]; do n=$((n+1)); echo set-progress $n >&$AGENT_COMFD; done", []string{"0", "12", "14"}},
		// While the gate is closed, nothing but TERM ends it.
		{"held", ": <$GATE", []string{"0", "12", "14"}},
	}
}

// flood pushes tasks of all kinds to one agent, a few at a time, and remembers them.
type flood struct {
	n    *node
	rand *rand.Rand
	gate *gate

	mu     sync.Mutex
	paused bool
	pushed map[string]kind
	failed error
}

func newFlood(n *node, seed uint64) *flood {
	n.t.Helper()
	f := &flood{n: n, rand: rand.New(rand.NewPCG(seed, 0)), gate: n.gate(), pushed: map[string]kind{}}
	for _, k := range floodKinds() {
		if k.script != "" {
			n.step(k.action+"/10", k.script)
		}
	}
	n.file("events/news/10", 0o755, "#!/bin/sh\ncat >/dev/null\n")
	return f
}

// pause stops the pushing, or lets it go on.
func (f *flood) pause(paused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused = paused
}

// run pushes until ctx ends; what it has begun to push then, it pushes.
func (f *flood) run(ctx context.Context) {
	for f.failed == nil && wait.For(ctx, 5*time.Millisecond) {
		f.failed = f.push(context.WithoutCancel(ctx))
	}
}

// most is how many tasks may wait: an agent that is drained has to come to an end.
const most = 6

func (f *flood) push(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting, err := f.n.redis.Admin().LLen(ctx, f.n.id+"/tasks").Result()
	if err != nil || waiting >= most || f.paused {
		return err
	}
	kinds := floodKinds()
	k, id := kinds[f.rand.IntN(len(kinds))], strconv.Itoa(len(f.pushed))
	payload, err := json.Marshal(map[string]any{"id": id, "action": k.action, "data": map[string]string{"task": "nobody"}})
	if err != nil {
		return err
	}
	f.pushed[id] = k
	_, err = f.n.redis.Admin().Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.LPush(ctx, f.n.id+"/tasks", payload)
		pipe.Publish(ctx, "cluster/event/news", "{}")
		return nil
	})
	return err
}

// empty tells whether nothing waits and nothing runs.
func (f *flood) empty() bool {
	f.n.t.Helper()
	count, err := f.n.redis.Admin().Exists(f.n.t.Context(), f.n.id+"/tasks").Result()
	must(f.n.t, err)
	return count == 0 && len(f.n.inProgress()) == 0
}

// finals counts how often each task of an agent got a final status.
type finals struct {
	mu    sync.Mutex
	times map[string]int
	last  map[string]string
}

// watchFinals counts until the test ends.
func (n *node) watchFinals() *finals {
	n.t.Helper()
	counted := &finals{times: map[string]int{}, last: map[string]string{}}
	ctx, stop := context.WithCancel(context.WithoutCancel(n.t.Context()))
	prefix := "progress/" + n.id + "/task/"
	news := n.redis.Admin().PSubscribe(ctx, prefix+"*")
	_, err := news.Receive(ctx)
	must(n.t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			message, err := news.ReceiveMessage(ctx)
			if err != nil {
				return
			}
			counted.add(message.Channel[len(prefix):], message.Payload)
		}
	}()
	n.t.Cleanup(func() {
		stop()
		must(n.t, news.Close())
		<-done
	})
	return counted
}

func (f *finals) add(id, payload string) {
	var news struct{ Status string }
	if json.Unmarshal([]byte(payload), &news) != nil || !slices.Contains([]string{"completed", "aborted", "validation-failed"}, news.Status) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times[id]++
	f.last[id] = news.Status
}

// count is how often a task ended.
func (f *finals) count(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.times[id]
}

// missing are the tasks that have none yet.
func (f *finals) missing(pushed map[string]kind) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for id := range pushed {
		if f.times[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// wantAll wants each task that was pushed to have one result, that fits its kind.
func (f *flood) wantAll(t *testing.T, counted *finals) {
	t.Helper()
	// News are on their way for a moment after the tasks are done.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(counted.missing(f.pushed)) > 0 && wait.For(ctx, 5*time.Millisecond) {
	}
	counted.mu.Lock()
	defer counted.mu.Unlock()
	codes := map[string]int{}
	for id, k := range f.pushed {
		if !f.n.has(id) {
			t.Errorf("task %s (%s) has no result", id, k.action)
			continue
		}
		code := f.n.get(id, "exit_code")
		codes[k.action+" "+code]++
		if !slices.Contains(k.codes, code) {
			t.Errorf("task %s (%s) has exit code %s: %s", id, k.action, code, f.n.get(id, "error"))
		}
		if counted.times[id] != 1 || counted.last[id] != statusFor(code) {
			t.Errorf("task %s (%s, exit code %s) got %d final statuses, the last %s", id, k.action, code, counted.times[id], counted.last[id])
		}
		if k.action == "short" && code == "0" && f.n.get(id, "output") != id+"\n" {
			t.Errorf("the output of task %s is %q", id, f.n.get(id, "output"))
		}
	}
	t.Logf("%d tasks: %v", len(f.pushed), codes)
}

func statusFor(code string) string {
	switch code {
	case "0":
		return "completed"
	case "2":
		return "validation-failed"
	}
	return "aborted"
}
