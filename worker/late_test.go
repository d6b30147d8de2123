package worker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
)

// untilGivenUp is how long a worker that was stopped waits for steps.
const untilGivenUp = 600 * time.Millisecond

const wasRunning = "the agent was stopped while it ran step a, which was still running when the agent ended\n"

// takes is a step that prints, and that takes some time from when it is asked to end. Then it
// says what it can, and ends with err.
func takes(wait time.Duration, err error) run {
	return func(ctx context.Context, c *worker.Call) error {
		begun := errors.Join(c.Progress(50), says("early")(ctx, c), c.Printf("so far"))
		<-ctx.Done()
		time.Sleep(wait)
		return errors.Join(begun, c.Progress(80), says(" late")(ctx, c), c.Printf("too late"), c.Announce("cluster/event/x", 1), err)
	}
}

// TestStopGivesUp: a step that takes too long after the agent was stopped is not waited for. Its
// task is settled as aborted, with what the step had printed, and nothing is told of it any more.
func TestStopGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action worker.Action
		final  worker.Progress
	}{
		"ignores it":            {action("x", takes(time.Hour, nil)), halfDone},
		"cleans up":             {action("x", takes(700*time.Millisecond, worker.Exit(3, nil))), halfDone},
		"ends well, too late":   {action("x", takes(700*time.Millisecond, nil), says("never")), worker.Progress{Status: worker.Aborted, Percent: 25}},
		"is skipped, too late":  {action("x", takes(700*time.Millisecond, worker.Skip(errPlain))), halfDone},
		"an output to be right": {with(action("x", takes(time.Hour, nil)), none, schema("late")), halfDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{c.action})
				e.push("1", "x")
				synctest.Wait()
				began := time.Now()
				e.stop()
				if took := time.Since(began); took != untilGivenUp {
					t.Errorf("took %v", took)
				}
				got := e.Result(t, "1")
				if got.ExitCode != worker.ExitStopped || got.Final != c.final || string(got.Output) != "early" || string(got.Error) != "so far\n"+wasRunning {
					t.Errorf("got %d %+v %q %q", got.ExitCode, got.Final, got.Output, got.Error)
				}
				e.wantLine(`task/module/m1/1: action "x" status is "aborted" (14) at step a`)
				told, lines := len(e.Told("1")), e.lines()
				time.Sleep(longestStep)
				synctest.Wait()
				if now := e.lines(); len(e.Told("1")) != told || !slices.Equal(now, lines) {
					t.Errorf("told are %+v, the log is %q", e.Told("1"), now)
				}
				if lists, left := e.Lists(t), e.journal.Left(); len(lists.Waiting)+len(lists.InProgress)+len(left) != 0 {
					t.Errorf("lists are %+v, left is %+v", lists, left)
				}
			})
		})
	}
}

// TestStopWaits: steps that end in time decide as ever what becomes of their tasks.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{0, 100 * time.Millisecond, untilGivenUp - time.Millisecond} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{action("cleans up", takes(wait, worker.Exit(3, nil))), action("ends well", takes(wait, nil))})
				e.push("1", "cleans up")
				e.push("2", "ends well")
				synctest.Wait()
				began := time.Now()
				e.stop()
				if took := time.Since(began); took != wait {
					t.Errorf("took %v", took)
				}
				if got := e.Result(t, "1"); got.ExitCode != worker.ExitStopped || string(got.Output) != "early late" {
					t.Errorf("got %d %q %q", got.ExitCode, got.Output, got.Error)
				}
				if got := e.Result(t, "2"); got.Final != completed || len(got.Announcements) != 1 {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}

// TestStopGivesUpWhatWasCancelled: also a task that was told to end before.
func TestStopGivesUpWhatWasCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", takes(time.Hour, nil))})
		e.push("1", "x")
		synctest.Wait()
		e.pushData("c", "cancel-task", `{"task":"1"}`)
		e.Result(t, "c")
		e.stop()
		if got := e.Result(t, "1"); got.ExitCode != worker.ExitStopped || string(got.Error) != "so far\n"+wasRunning {
			t.Errorf("got %d %q", got.ExitCode, got.Error)
		}
	})
}

// TestStopKeeps: at the moment when steps are given up, what Redis has not taken yet is on disk: what
// becomes of them, and the results of others. The next life stores it, and runs nothing again.
func TestStopKeeps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step   run
		code   int
		output string
	}{
		"of one that goes on":   {takes(time.Hour, nil), worker.ExitStopped, "early"},
		"of one that ends then": {takes(700*time.Millisecond, nil), worker.ExitStopped, "early"},
		"of one that has gone":  {takes(time.Millisecond, nil), 0, "early late"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				step := func(ctx context.Context, call *worker.Call) error { runs++; return c.step(ctx, call) }
				board := &stuckBoard{gave: make(chan error, 1)}
				e := start(t, []worker.Action{action("x", step)}, func(c *worker.Config) {
					board.Board = c.Board
					c.Board = board
				})
				e.push("1", "x")
				synctest.Wait()
				began := time.Now()
				e.cancel()
				time.Sleep(untilGivenUp)
				synctest.Wait()
				key := worker.KeyOf([]byte(`{"id":"1","action":"x","data":null}`))
				if past := e.journal.Past(worker.Task{Key: key}); !past.Kept {
					t.Errorf("past is %+v", past)
				}
				<-e.ended
				if took := time.Since(began); took != 750*time.Millisecond || e.Finished("1") {
					t.Errorf("took %v", took)
				}
				e.nextLife()
				if got := e.Result(t, "1"); got.ExitCode != c.code || string(got.Output) != c.output || runs != 1 {
					t.Errorf("ran %d times, came to %d %q %q", runs, got.ExitCode, got.Output, got.Error)
				}
				time.Sleep(longestStep) // also if the old life goes on
				if left := e.journal.Left(); len(left) != 0 {
					t.Errorf("left are %+v", left)
				}
			})
		})
	}
}

// TestStopPassesOn: the log gets what a step that is given up has printed, a line without an end, too.
func TestStopPassesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", func(_ context.Context, c *worker.Call) error {
			_, err := io.WriteString(c.Stderr(), "half a line")
			time.Sleep(time.Hour)
			return err
		})})
		e.push("1", "x")
		synctest.Wait()
		e.stop()
		if text := e.stderr.String(); text != "half a line\n" {
			t.Errorf("stderr is %q", text)
		}
	})
}

// TestStopKeepsLittle: of a task that was given up, and has printed much, the next life tells what became of it, and
// the beginning of what it printed, if Redis has not taken all of it.
func TestStopKeepsLittle(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]func(*worker.Call) io.Writer{
		"output": (*worker.Call).Stdout, "error text": (*worker.Call).Stderr,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				prints := func(_ context.Context, c *worker.Call) error {
					_, err := stream(c).Write(bytes.Repeat([]byte("x"), 1<<20))
					time.Sleep(time.Hour)
					return err
				}
				e := start(t, []worker.Action{action("x", prints)}, func(c *worker.Config) {
					c.Board = &stuckBoard{Board: c.Board, gave: make(chan error, 1)}
				})
				e.push("1", "x")
				synctest.Wait()
				e.stop()
				e.nextLife()
				got := e.Result(t, "1")
				if size := len(got.Output) + len(got.Error); got.ExitCode != worker.ExitStopped || size < 64<<10 || size > 65<<10 {
					t.Errorf("came to %d, with %d bytes", got.ExitCode, size)
				}
				if !strings.HasSuffix(string(got.Error), "no more than 65536 bytes of the output and of the error text were kept\n"+wasRunning) {
					t.Errorf("error text ends with %q", got.Error[max(0, len(got.Error)-200):])
				}
			})
		})
	}
}

// TestStopAndRepeatable: what may be run again is not given up, since the next life runs it.
func TestStopAndRepeatable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs, gate := 0, make(chan struct{})
		again := action("x", func(ctx context.Context, c *worker.Call) error {
			if runs++; runs == 1 {
				<-gate
			}
			return says("done")(ctx, c)
		})
		again.Repeatable = true
		e := start(t, []worker.Action{again})
		e.push("1", "x")
		synctest.Wait()
		e.cancel()
		time.Sleep(time.Second)
		synctest.Wait()
		if e.Finished("1") || !e.running() {
			t.Fatal("it was given up")
		}
		first := e.ended
		e.nextLife() // the first has died by its signal
		if got := e.Result(t, "1"); got.Final != completed || runs != 2 {
			t.Errorf("ran %d times, came to %+v", runs, got)
		}
		e.stop()
		close(gate)
		<-first
	})
}

// fullBoard takes no report; who has one waits.
type fullBoard struct{ worker.Board }

func (fullBoard) Report(ctx context.Context, _ worker.Task, _ worker.Progress) { <-ctx.Done() }

// TestStopBesideReports: a step that waits for Redis to take a report is given up all the same.
func TestStopBesideReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", takes(time.Hour, nil))}, func(c *worker.Config) { c.Board = fullBoard{c.Board} })
		e.push("1", "x")
		synctest.Wait()
		e.stop()
		if got := e.Result(t, "1"); got.ExitCode != worker.ExitStopped {
			t.Errorf("came to %+v", got)
		}
	})
}

// fullLog is one that takes no line with certain words until gate is open.
type fullLog struct {
	words string
	gate  <-chan struct{}
}

func (fullLog) Levels() []logrus.Level { return logrus.AllLevels }

func (l fullLog) Fire(entry *logrus.Entry) error {
	if strings.Contains(entry.Message, l.words) {
		<-l.gate
	}
	return nil
}

// TestStopBetweenSteps: a task may have come to no end, and yet no step of it run, since nobody reads
// the log. It is given up, too, and what it had not started is not started any more.
func TestStopBetweenSteps(t *testing.T) {
	t.Parallel()
	for words, percent := range map[string]int{"x/b is starting": 50, `status is "completed"`: 100} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gate, runs := make(chan struct{}), 0
				second := func(context.Context, *worker.Call) error { runs++; return nil }
				e := start(t, []worker.Action{action("x", fine, second)}, func(c *worker.Config) {
					c.Log.Logger.AddHook(fullLog{words, gate})
				})
				e.push("1", "x")
				synctest.Wait()
				before := runs
				e.stop()
				got := e.Result(t, "1")
				if got.ExitCode != worker.ExitStopped || got.Final.Percent != percent || !strings.HasPrefix(string(got.Error), "the agent was stopped after step ") {
					t.Errorf("came to %d %+v %q", got.ExitCode, got.Final, got.Error)
				}
				close(gate)
				synctest.Wait()
				if runs != before {
					t.Error("a step ran afterwards")
				}
			})
		})
	}
}
