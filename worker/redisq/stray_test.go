package redisq

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq/redistest"
)

// afterReading does something between the reading of a list and its reply.
type afterReading struct {
	redis.Hook
	of   string
	once sync.Once
	do   func()
}

// DialHook implements [redis.Hook].
func (*afterReading) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements [redis.Hook].
func (*afterReading) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook].
func (h *afterReading) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		err := next(ctx, command)
		if command.Name() == "lrange" && command.Args()[1] == h.of {
			h.once.Do(h.do)
		}
		return err
	}
}

// TestFinishedWhileLooking: a task that is finished just after the list in
// progress was read stands in what was read, and is nobody's. It is no stray.
func TestFinishedWhileLooking(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := openInstance(t, server, "one", time.Second)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`)
	task := next(t, tasks)
	looked := false
	whileLooking(tasks, func() {
		looked = true
		if err := tasks.Finish(t.Context(), task, worker.Result{Final: worker.Progress{Status: worker.Completed}}); err != nil {
			t.Error(err)
		}
	})
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"2","action":"a"}`)
	if task := next(t, tasks); task.ID != "2" || !looked {
		t.Fatalf("got task %q (list read: %v); want 2: 1 has run", task.ID, looked)
	}
}

// TestReleasedWhileLooking: a task that nobody holds any more just after the list in progress was read
// does not stand there for ever: whoever let go of it has said so.
func TestReleasedWhileLooking(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := openInstance(t, server, "one", time.Minute)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`)
	task := next(t, tasks)
	whileLooking(tasks, func() {
		tasks.release(string(task.Payload))
		tasks.beSuspicious()
	})
	if task := next(t, tasks); task.ID != "1" {
		t.Fatalf("got task %q", task.ID)
	}
}

// whileLooking has something done while the tasks in progress are looked at, which they will be.
func whileLooking(tasks *Tasks, do func()) {
	tasks.beSuspicious()
	tasks.fetch.used = time.Time{} // the connection that is taken next has the hook
	tasks.fetch.get().AddHook(&afterReading{of: tasks.own, do: do})
}
