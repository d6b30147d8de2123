package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
)

// TestCancel: the running step is asked to end and decides: its exit code ends
// the action.
func TestCancel(t *testing.T) {
	t.Parallel()
	cleansUp := func(ctx context.Context, _ *worker.Call) error {
		<-ctx.Done()
		return worker.Exit(42, errors.New("cleaned up"))
	}
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
		"gives up":            {action("x", obeys, says("never")), 143, aborted, "context canceled\n"},
		"cleans up":           {action("x", cleansUp, says("never")), 42, aborted, "cleaned up\n"},
		"was the last":        {action("x", endsWell), 0, completed, ""},
		"ends well too early": {action("x", endsWell, says("never")), 13, halfDone, "the task was cancelled before step b\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{c.action})
				e.push("1", "x")
				synctest.Wait()
				e.pushData("c1", "cancel-task", `{"task":"1","timeout":10}`)
				if got := e.Result(t, "c1"); got.ExitCode != 0 || got.Final != completed || !got.Builtin {
					t.Errorf("cancel-task came to %+v", got)
				}
				got := e.Result(t, "1")
				if got.ExitCode != c.code || got.Final != c.final || string(got.Error) != c.errput || len(got.Output) != 0 {
					t.Errorf("the task came to %d %+v %q", got.ExitCode, got.Final, got.Error)
				}
				e.pushData("c2", "cancel-task", `{"task":"1","timeout":10}`)
				if again := e.Result(t, "c2"); again.ExitCode != 2 {
					t.Errorf("cancelling what has ended came to %+v", again)
				}
			})
		})
	}
}

// slowBoard takes a minute to store a result.
type slowBoard struct{ worker.Board }

func (b slowBoard) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	time.Sleep(time.Minute)
	return b.Board.Finish(ctx, task, result)
}

// TestCancelTooLate: of a task whose steps have ended there is nothing to cancel, though it is not over yet.
func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", fine)}, func(c *worker.Config) { c.Board = slowBoard{c.Board} })
		e.push("1", "x")
		time.Sleep(time.Second)
		e.pushData("c", "cancel-task", `{"task":"1"}`)
		if got := e.Result(t, "c"); got.ExitCode != 2 || e.Result(t, "1").ExitCode != 0 {
			t.Errorf("cancel-task came to %+v", got)
		}
	})
}

// TestCancelTwice: a step that takes its time is not disturbed by a second order.
func TestCancelTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := start(t, []worker.Action{action("x", waits(gate))})
		e.push("1", "x")
		synctest.Wait()
		for _, id := range []string{"c1", "c2", "c3"} {
			e.pushData(id, "cancel-task", `{"task":"1"}`)
			if got := e.Result(t, id); got.ExitCode != 0 {
				t.Fatalf("%s came to %+v", id, got)
			}
		}
		if e.Finished("1") {
			t.Fatal("the step was not left to decide")
		}
		close(gate)
		if got := e.Result(t, "1"); got.ExitCode != 0 {
			t.Fatalf("got %+v", got)
		}
	})
}

// TestCancelRefused: what cannot be cancelled, and the words by which others
// find it in the log.
func TestCancelRefused(t *testing.T) {
	t.Parallel()
	const invalid, unknown = "invalid task ID or timeout value", "task ID not found"
	for data, c := range map[string]struct {
		code int
		text string
		told int // pending, and running if it was looked for
	}{
		`{"task":"nope"}`:             {2, unknown, 3},
		`{"task":"c"}`:                {2, unknown, 3},
		`{"task":"over"}`:             {2, unknown, 3},
		`{}`:                          {10, invalid, 2},
		`null`:                        {10, invalid, 2},
		`{"task":""}`:                 {10, invalid, 2},
		`{"task":7}`:                  {10, invalid, 2},
		`{"timeout":1}`:               {10, invalid, 2},
		`{"task":"x","timeout":-1}`:   {10, invalid, 2},
		`{"task":"x","timeout":"1s"}`: {10, invalid, 2},
		`[]`:                          {10, invalid, 2},
	} {
		t.Run(data, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{action("x", fine)})
				e.push("over", "x")
				e.Result(t, "over")
				e.pushData("c", "cancel-task", data)
				got := e.Result(t, "c")
				if got.ExitCode != c.code || got.Final != rejected || !strings.Contains(string(got.Error), c.text) || !got.Builtin {
					t.Fatalf("got %+v %q", got, got.Error)
				}
				if told := e.Told("c"); len(told) != c.told {
					t.Fatalf("told %+v", told)
				}
				e.wantLine(c.text)
			})
		})
	}
}
