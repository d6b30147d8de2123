package redisq

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq/redistest"
)

// beforeMove does something when a task is about to be moved, which does not happen then if that fails.
type beforeMove struct {
	redis.Hook
	once sync.Once
	do   func() error
}

// DialHook implements [redis.Hook].
func (*beforeMove) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (*beforeMove) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements [redis.Hook].
func (h *beforeMove) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) (err error) {
		if commands[0].Name() == "multi" {
			h.once.Do(func() { err = h.do() })
		}
		if err != nil {
			return err
		}
		return next(ctx, commands)
	}
}

func is1(task worker.Task) bool { return task.ID == "1" }

// TestHoldsWhatIsMoved: a task is held, too, that is on its way out of the queue: nobody else
// finds it there.
func TestHoldsWhatIsMoved(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := openInstance(t, server, "one", time.Second)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`)
	asked := false
	tasks.looks.get().AddHook(&beforeMove{do: func() error {
		asked = true
		if _, found, err := tasks.Withdraw(t.Context(), is1); found || err != nil {
			t.Errorf("withdrawn by two: %v, %v", found, err)
		}
		if held, err := tasks.Holds(t.Context(), is1); !held || err != nil {
			t.Errorf("held: %v, %v", held, err)
		}
		return nil
	}})
	if _, found, err := tasks.Withdraw(t.Context(), is1); !found || err != nil || !asked {
		t.Errorf("withdrawn: %v, %v, asked meanwhile: %v", found, err, asked)
	}
}

// TestFetchedBesideMove: a task is had once that a fetch takes just before it is moved, though neither has its
// reply yet: here that of the move is lost, and that of the fetch comes late.
func TestFetchedBesideMove(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := openInstance(t, server, "one", time.Minute)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"0","action":"a"}`)
	next(t, tasks)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`)
	fetched, looked := make(chan struct{}), make(chan struct{})
	tasks.fetch.used = time.Time{} // the connection that is taken next has the hook
	tasks.fetch.get().AddHook(&stoppedAfter{do: func() { close(fetched); <-looked }})
	handedOut := make(chan worker.Task, 1)
	tasks.looks.get().AddHook(&beforeMove{do: func() error {
		go func() { handedOut <- next(t, tasks) }()
		<-fetched
		return io.EOF
	}})
	if _, found, err := tasks.Withdraw(t.Context(), is1); !found || err != nil {
		t.Fatalf("withdrawn: %v, %v", found, err)
	}
	close(looked)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"2","action":"a"}`)
	if task := <-handedOut; task.ID != "2" {
		t.Errorf("got task %q", task.ID)
	}
}

// TestTakenBesideMove: a task is found in progress that got there in another way just after that was looked
// through for what a move without a reply had done.
func TestTakenBesideMove(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := openInstance(t, server, "one", time.Minute) // nor looks again by itself so soon
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"0","action":"a"}`)
	next(t, tasks)
	server.Do(t, "lpush", "module/m1/tasks", `{"id":"1","action":"a"}`)
	looks := tasks.looks.get()
	looks.AddHook(&beforeMove{do: func() error { return io.EOF }})
	looks.AddHook(&afterReading{of: tasks.own, do: func() {
		server.Do(t, "lmove", "module/m1/tasks", tasks.own, "right", "left")
		_, connection := tasks.fetch.take()
		if err := tasks.checkInProgress(t.Context(), connection); err != nil {
			t.Error(err)
		}
	}})
	if _, found, err := tasks.Withdraw(t.Context(), is1); found || err != nil {
		t.Fatalf("withdrawn: %v, %v", found, err)
	}
	if task := next(t, tasks); task.ID != "1" {
		t.Errorf("got task %q", task.ID)
	}
}
