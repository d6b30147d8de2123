package worker_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

var (
	toldPending = workertest.Told{Progress: worker.Progress{Status: worker.Pending}}
	toldRunning = workertest.Told{Progress: worker.Progress{Status: worker.Running}}
)

func beat(percent int) workertest.Told {
	return workertest.Told{Progress: worker.Progress{Status: worker.Running, Percent: percent}, Heartbeat: true}
}

func wantTold(t *testing.T, e *engine, id string, want ...workertest.Told) {
	t.Helper()
	if got := e.Told(id); !slices.Equal(got, want) {
		t.Fatalf("told %+v, want %+v", got, want)
	}
}

// TestHeartbeat: once in a polling interval, with what was told last; none
// before the first and none after the last step.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lasts := func(d time.Duration) run {
			return func(_ context.Context, c *worker.Call) error {
				time.Sleep(d)
				return c.Progress(50)
			}
		}
		e := start(t, []worker.Action{action("x", lasts(700*time.Millisecond), lasts(310*time.Millisecond))},
			func(c *worker.Config) { c.PollingInterval = 200 * time.Millisecond })
		e.do("x")
		time.Sleep(time.Minute)
		report := func(percent int) workertest.Told {
			return workertest.Told{Progress: worker.Progress{Status: worker.Running, Percent: percent}}
		}
		wantTold(t, e, "1", toldPending,
			toldRunning, beat(0), beat(0), beat(0), report(25), report(50), // until 0.7 s
			beat(50), beat(50), report(75), report(100), workertest.Told{Progress: completed})
	})
}

// TestHeartbeatHoldsBack: a step that says 100 % and goes on lives on, but 100 %
// is not told before the result is there.
func TestHeartbeatHoldsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := start(t, []worker.Action{action("x", func(_ context.Context, c *worker.Call) error {
			if err := c.Progress(100); err != nil {
				return err
			}
			<-gate
			return nil
		})})
		e.push("1", "x")
		time.Sleep(11 * time.Second)
		wantTold(t, e, "1", toldPending, toldRunning, beat(0), beat(0))
		close(gate)
		full := worker.Progress{Status: worker.Running, Percent: 100}
		if got := e.Result(t, "1"); !slices.Equal(got.Held, []worker.Progress{full, full}) {
			t.Fatalf("held %+v", got.Held)
		}
	})
}

// TestHeartbeatOfACancelledTask: a step may take its time to clean up, and the
// task's context must not expire meanwhile.
func TestHeartbeatOfACancelledTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cleans := func(ctx context.Context, _ *worker.Call) error {
			<-ctx.Done()
			time.Sleep(12 * time.Second)
			return worker.Exit(5, nil)
		}
		e := start(t, []worker.Action{action("x", cleans)})
		e.push("1", "x")
		synctest.Wait()
		e.pushData("2", "cancel-task", `{"task":"1"}`)
		if got := e.Result(t, "1"); got.ExitCode != 5 || got.Final.Status != worker.Aborted {
			t.Fatalf("got %+v", got)
		}
		wantTold(t, e, "1", toldPending, toldRunning, beat(0), beat(0), workertest.Told{Progress: aborted})
	})
}
