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

// afterReading does something between the reading of a list and its reply.
type afterReading struct {
	redis.Hook
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
		if command.Name() == "lrange" {
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
	log := logrus.New()
	log.SetOutput(io.Discard)
	tasks := NewTasks(Options{
		Agent: "module/m1", Server: Server{Address: server.Address},
		PollingInterval: time.Second, Log: logrus.NewEntry(log),
	})
	defer func() {
		if err := tasks.Close(); err != nil {
			t.Error(err)
		}
	}()
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`)
	task, err := tasks.Next(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	tasks.beSuspicious()
	looked := false
	tasks.fetch.used = time.Time{} // the connection that is taken next has the hook
	tasks.fetch.get().AddHook(&afterReading{do: func() {
		looked = true
		if err := tasks.Finish(t.Context(), task, worker.Result{Final: worker.Progress{Status: worker.Completed}}); err != nil {
			t.Error(err)
		}
	}})
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"2","action":"a"}`)
	if task, err := tasks.Next(t.Context(), 1); err != nil || task.ID != "2" || !looked {
		t.Fatalf("got task %q, %v (list read: %v); want 2: 1 has run", task.ID, err, looked)
	}
}
