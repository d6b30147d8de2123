package worker_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
)

// TestDrainIdle: an idle worker ends at once, however long it waits for tasks.
func TestDrainIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		synctest.Wait()
		began := time.Now()
		e.worker.Drain()
		e.worker.Drain()
		<-e.ended
		if took := time.Since(began); took != 0 {
			t.Fatalf("took %v", took)
		}
	})
}

// TestDrainBeforeRun: the order to end may come before the beginning.
func TestDrainBeforeRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := prepare(t, nil)
		e.push("1", "x")
		e.worker.Drain()
		e.run()
		<-e.ended
		if lists := e.Lists(t); len(lists.Waiting) != 1 {
			t.Fatalf("lists are %+v", lists)
		}
	})
}

// TestDrainGoesOn: as long as a task runs, others are taken: it may wait for one
// of them. What is pushed afterwards stays in the queue.
func TestDrainGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *engine
		ran := make(chan struct{})
		parent := func(context.Context, *worker.Call) error {
			for _, id := range []string{"child 1", "child 2"} {
				time.Sleep(time.Minute)
				e.push(id, "child")
				<-ran
			}
			return nil
		}
		child := func(context.Context, *worker.Call) error {
			ran <- struct{}{}
			return nil
		}
		e = start(t, []worker.Action{action("parent", parent), action("child", child)})
		e.push("1", "parent")
		synctest.Wait()
		e.worker.Drain()
		synctest.Wait()
		if !e.running() {
			t.Fatal("ended while a task runs")
		}
		<-e.ended
		for _, id := range []string{"1", "child 1", "child 2"} {
			if got := e.Result(t, id); got.ExitCode != 0 {
				t.Fatalf("%s came to %+v", id, got)
			}
		}
		e.push("late", "child")
		synctest.Wait()
		if lists := e.Lists(t); len(lists.Waiting) != 1 || len(lists.InProgress) != 0 {
			t.Fatalf("lists are %+v", lists)
		}
	})
}

// TestDrainFull: the limit holds while the worker drains, and all that waits
// behind it is taken as long as one runs.
func TestDrainFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w crowd
		e := start(t, []worker.Action{action("x", w.visit)}, func(c *worker.Config) { c.MaxConcurrency = 2 })
		for _, id := range []string{"1", "2", "3"} {
			e.push(id, "x")
		}
		synctest.Wait()
		e.worker.Drain()
		<-e.ended
		if w.most != 2 || !e.Finished("1") || !e.Finished("2") {
			t.Fatalf("%d at once, %v", w.most, w.order)
		}
		if lists := e.Lists(t); len(lists.InProgress) != 0 || len(lists.Waiting)+len(w.order) != 3 {
			t.Fatalf("lists are %+v, %v ran", lists, w.order)
		}
	})
}

// TestDrainEvents: handlers finish, those of events already received too, and
// say so.
func TestDrainEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context, *worker.Call) error {
			time.Sleep(time.Minute)
			return nil
		}
		e := start(t, nil, withHandlers(action("ev", slow)))
		e.events.Send("cluster", "ev", "1")
		synctest.Wait()
		e.events.Send("cluster", "ev", "2")
		e.worker.Drain()
		<-e.ended
		if got := strings.Join(e.lines(), "\n"); strings.Count(got, `Handler of cluster/event/ev exited with status "completed" (0) at step a`) != 2 {
			t.Fatalf("log is %s", got)
		}
	})
}

// TestStop: running steps are cancelled, and their tasks settled as aborted,
// whatever the step makes of it; those that wait stay in the queue.
func TestStop(t *testing.T) {
	t.Parallel()
	endsWell := func(ctx context.Context, _ *worker.Call) error {
		<-ctx.Done()
		return nil
	}
	for name, c := range map[string]struct {
		action worker.Action
		code   int
		final  worker.Progress
		errput string
	}{
		"gives up":            {action("x", obeys, says("never")), 14, aborted, "context canceled\nthe agent was stopped while it ran step a\n"},
		"its own code":        {action("x", func(ctx context.Context, _ *worker.Call) error { <-ctx.Done(); return worker.Exit(143, nil) }), 14, aborted, "the agent was stopped while it ran step a\n"},
		"ends well too early": {action("x", endsWell, says("never")), 14, halfDone, "the agent was stopped before step b\n"},
		"had done its work":   {action("x", endsWell), 0, completed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{c.action}, func(c *worker.Config) { c.MaxConcurrency = 1 })
				e.push("1", "x")
				e.push("2", "x")
				synctest.Wait()
				began := time.Now()
				e.stop()
				if took := time.Since(began); took != 0 {
					t.Errorf("took %v", took)
				}
				got := e.Result(t, "1")
				if got.ExitCode != c.code || got.Final != c.final || string(got.Error) != c.errput {
					t.Errorf("got %d %+v %q", got.ExitCode, got.Final, got.Error)
				}
				if lists := e.Lists(t); len(lists.Waiting) != 1 || len(lists.InProgress) != 0 {
					t.Errorf("lists are %+v", lists)
				}
			})
		})
	}
}

// TestStopEndsStoring: a result that cannot be stored within the grace is left
// to the next life; a task that was only cancelled has all the time it takes.
func TestStopEndsStoring(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(e *engine)
		want time.Duration
	}{
		"stopped":   {func(e *engine) { e.cancel() }, 750 * time.Millisecond},
		"cancelled": {func(e *engine) { e.pushData("c", "cancel-task", `{"task":"1"}`) }, time.Hour},
		"cancelled, and stopped": {func(e *engine) {
			e.pushData("c", "cancel-task", `{"task":"1"}`)
			synctest.Wait()
			e.cancel()
		}, 750 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				board := &stuckBoard{gave: make(chan error, 1)}
				e := start(t, []worker.Action{action("x", obeys)}, func(c *worker.Config) {
					board.Board = c.Board
					c.Board = board
				})
				e.push("1", "x")
				synctest.Wait()
				began := time.Now()
				c.end(e)
				<-board.gave
				if took := time.Since(began); took != c.want {
					t.Fatalf("storing was given up after %v, want %v", took, c.want)
				}
			})
		})
	}
}

// stuckBoard cannot store the result of task 1 within an hour.
type stuckBoard struct {
	worker.Board
	gave chan error
}

// Finish implements [worker.Board].
func (b *stuckBoard) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	if task.ID != "1" {
		return b.Board.Finish(ctx, task, result)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	b.gave <- ctx.Err()
	return context.DeadlineExceeded
}

// TestStopBeforeTheFirstTask: nothing is left running.
func TestStopBeforeTheFirstTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil, withHandlers(action("ev", fine)))
		e.stop()
		if got := e.lines(); slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "Next") }) {
			t.Fatalf("log is %q", got)
		}
	})
}

// lateQueue hands out its first task when nobody waits for it any more: the reply to a fetch
// may arrive in that moment.
type lateQueue struct {
	worker.Queue

	asked bool
}

func (q *lateQueue) Next(ctx context.Context, room int) (worker.Task, error) {
	if !q.asked {
		q.asked = true
		<-ctx.Done()
		ctx = context.WithoutCancel(ctx)
	}
	return q.Queue.Next(ctx, room)
}

// TestDrainAndALateTask: the task that comes with the last fetch may wait for others, too.
func TestDrainAndALateTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ran := make(chan struct{})
		parent := func(context.Context, *worker.Call) error { <-ran; return nil }
		child := func(context.Context, *worker.Call) error { close(ran); return nil }
		e := start(t, []worker.Action{action("parent", parent), action("child", child)}, func(c *worker.Config) {
			c.Queue = &lateQueue{Queue: c.Queue}
		})
		synctest.Wait()
		e.push("1", "parent")
		e.push("2", "child")
		e.worker.Drain()
		<-e.ended
		for _, id := range []string{"1", "2"} {
			if got := e.Result(t, id); got.ExitCode != 0 {
				t.Errorf("%s came to %+v", id, got)
			}
		}
	})
}
