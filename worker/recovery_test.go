package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

// stubborn is a board that stores no result for a while, or for ever.
type stubborn struct {
	*workertest.MemoryInstance

	until time.Time
}

var errStubborn = errors.New("given up")

func (s stubborn) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	if wait := time.Until(s.until); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return errStubborn
		}
	}
	return s.MemoryInstance.Finish(ctx, task, result)
}

// TestResultIsKept: a result that cannot be stored while the agent is stopped is
// stored by the next life, as it was.
func TestResultIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		instance := func(c *worker.Config) *workertest.MemoryInstance { return c.Board.(*workertest.MemoryInstance) } //nolint:forcetypeassert // it is
		e := start(t, []worker.Action{action("x", says("done"))}, func(c *worker.Config) {
			c.Board = stubborn{instance(c), time.Now().Add(time.Hour)}
		})
		e.push("1", "x")
		synctest.Wait()
		e.stop()
		if e.Finished("1") {
			t.Fatal("was stored")
		}
		e.wantLine("it is stored when that is possible again")
		e.nextLife()
		if got := e.Result(t, "1"); got.Final != completed || string(got.Output) != "done" {
			t.Fatalf("came to %+v", got)
		}
		synctest.Wait()
		if left := e.journal.Left(); len(left) != 0 {
			t.Fatalf("left are %+v", left)
		}
	})
}

// TestLateResultIsKept: what Redis takes long for is on disk meanwhile.
func TestLateResultIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", says("done"))}, func(c *worker.Config) {
			c.Board = stubborn{c.Board.(*workertest.MemoryInstance), time.Now().Add(time.Hour)} //nolint:forcetypeassert // it is
		})
		e.push("1", "x")
		time.Sleep(2 * time.Second)
		key := worker.KeyOf([]byte(`{"id":"1","action":"x","data":null}`))
		if past := e.journal.Past(worker.Task{Key: key}); !past.Kept {
			t.Fatalf("past is %+v", past)
		}
		time.Sleep(time.Hour)
		if got := e.Result(t, "1"); got.Final != completed {
			t.Fatalf("came to %+v", got)
		}
		synctest.Wait()
		if past := e.journal.Past(worker.Task{Key: key}); past != (worker.Past{}) {
			t.Fatalf("past is %+v", past)
		}
	})
}

// TestForgottenByRedis: a task that was interrupted, and that stands in no list
// any more, gets its result all the same.
func TestForgottenByRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := prepare(t, []worker.Action{action("x", fine)})
		payload := []byte(`{"id":"1","action":"x"}`)
		lost := worker.Task{ID: "1", Action: "x", Payload: payload, Key: worker.KeyOf(payload)}
		must(t, e.journal.Begin(lost, "")())
		must(t, e.journal.Step(lost, "10fine"))
		e.journal.Crash(false)
		e.run()
		if got := e.Result(t, "1"); got.ExitCode != worker.ExitInterrupted || !strings.Contains(string(got.Error), "at step 10fine") {
			t.Fatalf("came to %d, %q", got.ExitCode, got.Error)
		}
	})
}

// slowJournal takes long to forget a task.
type slowJournal struct{ *workertest.Journal }

func (j slowJournal) Forget(task worker.Task, result *worker.Result) error {
	time.Sleep(2 * time.Second)
	return j.Journal.Forget(task, result)
}

// slowQueue takes not as long to tell what there is.
type slowQueue struct{ *workertest.MemoryInstance }

func (q slowQueue) Known(ctx context.Context) (map[string]bool, error) {
	time.Sleep(time.Second)
	return q.MemoryInstance.Known(ctx)
}

// TestSettledWhileLooking: a task that was handed out and settled while the agent looked which ones
// are lost is not one of those, and the log says once what it came to.
func TestSettledWhileLooking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := prepare(t, []worker.Action{action("x", fine)}, func(c *worker.Config) {
			c.Queue = slowQueue{c.Board.(*workertest.MemoryInstance)} //nolint:forcetypeassert // it is
			c.Journal = slowJournal{c.Journal.(*workertest.Journal)}  //nolint:forcetypeassert // it is
		})
		payload := []byte(`{"id":"1","action":"x","data":null}`)
		must(t, e.journal.Begin(worker.Task{ID: "1", Action: "x", Payload: payload, Key: worker.KeyOf(payload)}, "10fine")())
		e.journal.Crash(false)
		e.Strand(t, string(payload))
		e.run()
		time.Sleep(time.Minute)
		lines := slices.DeleteFunc(e.lines(), func(line string) bool { return !strings.Contains(line, "task/module/m1/1") })
		if len(lines) != 1 || !strings.Contains(lines[0], `"aborted" (12)`) {
			t.Errorf("the log says %q", lines)
		}
		if left := e.journal.Left(); len(left) != 0 {
			t.Errorf("left are %+v", left)
		}
	})
}

// foreignQueue hands out what another agent of the same id has left.
type foreignQueue struct{ *workertest.MemoryInstance }

func (q foreignQueue) Next(ctx context.Context, room int) (worker.Task, error) {
	task, err := q.MemoryInstance.Next(ctx, room)
	task.Foreign = true
	return task, err
}

// TestForeignTask: what another agent took may have been started: it is not run,
// unless that does no harm.
func TestForeignTask(t *testing.T) {
	t.Parallel()
	again := action("again", says("ran"))
	again.Repeatable = true
	for name, c := range map[string]struct {
		action string
		code   int
		output string
	}{
		"once": {"once", worker.ExitInterrupted, ""}, "repeatable": {"again", 0, "ran"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{action("once", says("ran")), again}, func(c *worker.Config) {
					c.Queue = foreignQueue{c.Board.(*workertest.MemoryInstance)} //nolint:forcetypeassert // it is
				})
				if got := e.do(c.action); got.ExitCode != c.code || string(got.Output) != c.output {
					t.Fatalf("came to %+v", got)
				}
			})
		})
	}
}

// fullJournal takes nothing.
type fullJournal struct{ *workertest.Journal }

var errFull = errors.New("no space left on device")

func (fullJournal) Begin(worker.Task, string) func() error { return func() error { return errFull } }

// TestJournalFails: a task that cannot be noted is not run, and says why.
func TestJournalFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", says("ran"))}, func(c *worker.Config) {
			c.Journal = fullJournal{workertest.NewJournal()}
		})
		got := e.do("x")
		if got.ExitCode != worker.ExitFailure || got.Final.Status != worker.Aborted || len(got.Output) != 0 ||
			!strings.Contains(string(got.Error), "no space left on device") {
			t.Fatalf("came to %+v, %q", got, got.Error)
		}
		e.push("2", "list-actions")
		if got := e.Result(t, "2"); got.ExitCode != 0 {
			t.Fatalf("list-actions came to %+v", got)
		}
	})
}

// TestEqualTaskWhileOneRuns: a client that did not hear that its task was pushed
// may push it again. The second runs like any other task, and the journal keeps
// knowing of the first.
func TestEqualTaskWhileOneRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate, runs := make(chan struct{}), 0
		e := start(t, []worker.Action{action("x", func(context.Context, *worker.Call) error {
			if runs++; runs == 1 {
				<-gate
			}
			return nil
		})})
		e.push("1", "x")
		synctest.Wait()
		e.push("1", "x")
		if got := e.Result(t, "1"); got.Final != completed {
			t.Fatalf("came to %+v", got)
		}
		synctest.Wait()
		key := worker.KeyOf([]byte(`{"id":"1","action":"x","data":null}`))
		if past := e.journal.Past(worker.Task{Key: key}); !past.Started || !past.Running {
			t.Fatalf("past of the one that runs is %+v", past)
		}
		close(gate)
	})
}

// TestEqualTasksInterrupted: a task that was pushed twice, and ran twice when the
// agent was killed, is settled twice, and not run again. A third one is another.
func TestEqualTasksInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		e := prepare(t, []worker.Action{action("x", func(context.Context, *worker.Call) error {
			runs++
			return nil
		})}, func(c *worker.Config) { c.MaxConcurrency = 1 })
		payload := []byte(`{"id":"1","action":"x","data":null}`)
		for range 2 {
			task := worker.Task{ID: "1", Action: "x", Payload: payload, Key: worker.KeyOf(payload)}
			must(t, e.journal.Begin(task, "10step")())
			e.push("1", "x")
		}
		e.journal.Crash(false)
		e.run()
		synctest.Wait()
		if got := e.Result(t, "1"); runs != 0 || got.ExitCode != worker.ExitInterrupted {
			t.Errorf("ran %d times, and came to %+v", runs, got)
		}
		e.push("1", "x")
		synctest.Wait()
		if runs != 1 {
			t.Errorf("after it was pushed once more it ran %d times", runs)
		}
	})
}

// TestBegunAndBackInTheQueue: the power has failed, and Redis lost with it that a
// task was taken. It is settled when its turn comes, once, and not run again.
func TestBegunAndBackInTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate, runs := make(chan struct{}), 0
		e := prepare(t, []worker.Action{action("slow", waits(gate)), action("x", func(context.Context, *worker.Call) error {
			runs++
			return nil
		})}, func(c *worker.Config) { c.MaxConcurrency = 1 })
		payload := []byte(`{"id":"1","action":"x","data":null}`)
		must(t, e.journal.Begin(worker.Task{ID: "1", Action: "x", Payload: payload, Key: worker.KeyOf(payload)}, "")())
		e.journal.Crash(true)
		e.push("0", "slow")
		e.push("1", "x")
		e.run()
		synctest.Wait()
		close(gate)
		if got := e.Result(t, "1"); got.ExitCode != worker.ExitInterrupted {
			t.Errorf("came to %+v", got)
		}
		synctest.Wait()
		if told := e.Told("1"); runs != 0 || len(told) != 1 {
			t.Errorf("ran %d times, was told %+v", runs, told)
		}
	})
}
