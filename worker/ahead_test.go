package worker_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
)

// hold is a step that runs until its task is cancelled.
func hold(ctx context.Context, _ *worker.Call) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestAhead: with all slots taken, the engine's own actions are served all the
// same, and at once; the others wait, in order.
func TestAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", hold)}, func(c *worker.Config) { c.MaxConcurrency = 2 })
		for n := range 5 {
			e.push(strconv.Itoa(n), "x")
		}
		synctest.Wait()
		began := time.Now()
		e.push("list", "list-actions")
		if got := e.Result(t, "list"); got.ExitCode != 0 {
			t.Fatalf("list-actions came to %+v", got)
		}
		e.pushData("cancel", "cancel-task", `{"task":"0"}`)
		if got := e.Result(t, "cancel"); got.ExitCode != 0 {
			t.Fatalf("cancel-task came to %+v", got)
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Fatalf("took %v", took)
		}
		if got := e.Result(t, "0"); got.ExitCode != 143 {
			t.Fatalf("the task came to %+v", got)
		}
		synctest.Wait()
		if lists := e.Lists(t); len(lists.InProgress) != 2 || len(lists.Waiting) != 2 {
			t.Fatalf("lists are %+v", lists)
		}
	})
}

// lookedAhead counts how often somebody looks for the engine's own actions.
type lookedAhead struct {
	worker.Queue

	times atomic.Int64
}

func (q *lookedAhead) Ahead(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	q.times.Add(1)
	return q.Queue.Ahead(ctx, wanted)
}

// TestNobodyLooksAhead: a worker that waits for tasks needs to look for none behind a queue,
// also if it runs one at a time.
func TestNobodyLooksAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var queue *lookedAhead
		e := start(t, []worker.Action{action("x", fine)}, func(c *worker.Config) {
			queue = &lookedAhead{Queue: c.Queue}
			c.Queue, c.MaxConcurrency = queue, 1
		})
		e.push("1", "x")
		e.push("2", "x")
		synctest.Wait()
		before := queue.times.Load()
		time.Sleep(time.Minute)
		if more := queue.times.Load() - before; more > 1 {
			t.Errorf("looked %d times", more)
		}
	})
}

// TestCancelWaiting: a task that waits for its turn is taken out of the queue,
// never runs, and its client gets its answer.
func TestCancelWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", hold)}, func(c *worker.Config) { c.MaxConcurrency = 1 })
		e.push("runs", "x")
		e.push("waits", "x")
		synctest.Wait()
		e.pushData("cancel", "cancel-task", `{"task":"waits"}`)
		if got := e.Result(t, "cancel"); got.ExitCode != 0 || got.Final != completed {
			t.Fatalf("cancel-task came to %+v", got)
		}
		got := e.Result(t, "waits")
		if got.ExitCode != worker.ExitCancelled || got.Final.Status != worker.Aborted {
			t.Fatalf("the task came to %+v", got)
		}
		e.WaitTold(t, "waits", worker.Progress{Status: worker.Pending})
		if lists := e.Lists(t); len(lists.Waiting) != 0 || len(lists.InProgress) != 1 || e.Finished("runs") {
			t.Fatalf("lists are %+v", lists)
		}
	})
}

// TestRejectWhenBusy: over the limit tasks are rejected after a while, with exit
// code 11; the engine's own actions never are.
func TestRejectWhenBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", hold), action("short", fine)}, func(c *worker.Config) {
			c.MaxConcurrency, c.RejectWhenBusy, c.OverloadWait = 1, true, time.Second
		})
		e.push("runs", "x")
		e.push("too much", "short")
		began := time.Now()
		got := e.Result(t, "too much")
		if got.ExitCode != worker.ExitBusy || got.Final.Status != worker.Aborted || len(got.Error) == 0 {
			t.Fatalf("came to %+v", got)
		}
		if took := time.Since(began); took != time.Second {
			t.Fatalf("took %v", took)
		}
		e.push("in time", "short")
		e.pushData("cancel", "cancel-task", `{"task":"runs"}`)
		if got := e.Result(t, "in time"); got.ExitCode != 0 {
			t.Fatalf("came to %+v", got)
		}
		if got := e.Result(t, "cancel"); got.ExitCode != 0 {
			t.Fatalf("cancel-task came to %+v", got)
		}
		e.push("free", "short")
		if got := e.Result(t, "free"); got.ExitCode != 0 {
			t.Fatalf("came to %+v", got)
		}
	})
}

// TestAheadOfRejected: the engine's own actions do not wait until all tasks before them are rejected.
func TestAheadOfRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", hold)}, func(c *worker.Config) {
			c.MaxConcurrency, c.RejectWhenBusy, c.OverloadWait = 1, true, time.Second
		})
		for n := range 10 {
			e.push(strconv.Itoa(n), "x")
		}
		synctest.Wait()
		began := time.Now()
		e.push("list", "list-actions")
		if got := e.Result(t, "list"); got.ExitCode != 0 {
			t.Errorf("list-actions came to %+v", got)
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// startsMeanwhile is a queue whose tasks are taken while somebody looks for one of them in it.
type startsMeanwhile struct {
	worker.Queue

	start func()
}

func (q *startsMeanwhile) Withdraw(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	q.start()
	return q.Queue.Withdraw(ctx, wanted)
}

// TestCancelStarting: a task that is taken from the queue while it is looked for there is cancelled when it runs.
func TestCancelStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		e := start(t, []worker.Action{action("x", hold), action("first", waits(free))}, func(c *worker.Config) {
			c.MaxConcurrency = 1
			c.Queue = &startsMeanwhile{Queue: c.Queue, start: sync.OnceFunc(func() { close(free); time.Sleep(time.Second) })}
		})
		e.push("first", "first")
		e.push("second", "x")
		synctest.Wait()
		e.pushData("cancel", "cancel-task", `{"task":"second"}`)
		if got := e.Result(t, "cancel"); got.ExitCode != 0 || got.Final != completed {
			t.Fatalf("cancel-task came to %+v", got)
		}
		if got := e.Result(t, "second"); got.ExitCode != 143 {
			t.Fatalf("the task came to %+v", got)
		}
	})
}
