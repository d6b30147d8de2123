package redisq

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq/redistest"
)

// stoppedAfter has an agent stand still between the reply to its first fetch that brings something
// and the moment in which it reads it.
type stoppedAfter struct {
	redis.Hook
	once sync.Once
	do   func()
}

// DialHook implements [redis.Hook].
func (*stoppedAfter) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (*stoppedAfter) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements [redis.Hook].
func (h *stoppedAfter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		if fetch, ok := commands[0].(*redis.Cmd); ok && fetch.Name() == "blmove" && fetch.Val() != nil {
			h.once.Do(h.do)
		}
		return err
	}
}

// openInstance begins a life, which ends with the test, of one of several agents of an id.
func openInstance(t *testing.T, server *redistest.Server, instance string, interval time.Duration) *Tasks {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	tasks := NewTasks(Options{
		Agent: "module/m1", Instance: instance, Server: Server{Address: server.Address},
		PollingInterval: interval, Log: logrus.NewEntry(log),
	})
	t.Cleanup(func() {
		if err := tasks.Close(); err != nil {
			t.Error(err)
		}
	})
	return tasks
}

// next wants a task to be handed out, before what was overlooked is looked for once more.
func next(t *testing.T, tasks *Tasks) worker.Task {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	task, err := tasks.Next(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// settleOne has another instance take over one task, and settle it.
func settleOne(t *testing.T, other *Tasks) worker.Task {
	t.Helper()
	looking, stop := context.WithCancel(t.Context())
	var looks sync.WaitGroup
	looks.Go(func() { other.Inherit(looking) })
	task := next(t, other)
	stop()
	looks.Wait()
	if !task.Foreign {
		t.Errorf("task %s is the other's own", task.ID)
	}
	if err := other.Finish(t.Context(), task, worker.Result{ExitCode: worker.ExitInterrupted}); err != nil {
		t.Error(err)
	}
	return task
}

// TestLateFetch: of what came while the agent was stopped, what another instance has settled
// meanwhile is not handed out, and the rest is.
func TestLateFetch(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const interval = 20 * time.Millisecond
	tasks, other := openInstance(t, server, "one", interval), openInstance(t, server, "two", interval)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`, `{"id":"2","action":"a"}`)
	var settled worker.Task
	tasks.fetch.get().AddHook(&stoppedAfter{do: func() { settled = settleOne(t, other) }})
	left := next(t, tasks)
	if left.ID == settled.ID || left.Foreign {
		t.Fatalf("task %s is handed out (foreign: %t); it was settled", left.ID, left.Foreign)
	}
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"3","action":"a"}`)
	if task := next(t, tasks); task.ID != "3" {
		t.Errorf("got task %s after %s; %s was settled by another instance", task.ID, left.ID, settled.ID)
	}
}

// TestNotLeftAnyMore: what another instance seemed to have left is not handed out if that one
// turns out to be alive before it is.
func TestNotLeftAnyMore(t *testing.T) {
	t.Parallel()
	const (
		list    = "module/m1/tasks/in-progress/two"
		shown   = "task/module/m1/1/context"
		payload = `{"id":"1","action":"a"}`
	)
	for name, c := range map[string]struct {
		meanwhile []any // a command
		next      string
	}{
		"left":       {[]any{"ping"}, "1"},
		"vanished":   {[]any{"del", shown}, "1"},
		"settled":    {[]any{"lrem", list, 1, payload}, "2"},
		"alive":      {[]any{"pexpire", shown, 10_000}, "2"},
		"just begun": {[]any{"set", shown, "{}", "px", 20_000}, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			tasks := openInstance(t, server, "one", time.Second)
			left := stray{payload: payload, list: list}
			if name != "just begun" {
				server.Do(t, "set", shown, "{}", "px", 5000)
				left.ends = time.Now().Add(5 * time.Second)
			}
			server.Do(t, "lpush", list, payload)
			server.Do(t, "lpush", "module/m1/tasks", `{"id":"2","action":"a"}`)
			tasks.inherit([]stray{left})
			server.Do(t, c.meanwhile...)
			if task := next(t, tasks); task.ID != c.next {
				t.Errorf("got task %s, want %s", task.ID, c.next)
			}
		})
	}
}
