package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
)

func withHandlers(handlers ...worker.Action) func(*worker.Config) {
	return func(c *worker.Config) {
		registry, err := worker.NewRegistry(handlers)
		if err != nil {
			panic(err)
		}
		c.Events = registry
	}
}

// TestEventOutcomes: steps run in order until one fails; the outcome is only
// logged, in the words others look for.
func TestEventOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler worker.Action
		stderr  string
		log     []string
	}{
		"all well": {action("ev", says("one"), says("two")), "one\ntwo\n", []string{
			`event/node/1/event/ev: ev/a is starting`, `event/node/1/event/ev: ev/b is starting`,
			`Handler of node/1/event/ev exited with status "completed" (0) at step b`,
		}},
		"the first failing step ends it": {action("ev", fails(worker.Exit(2, nil)), says("never")), "", []string{
			`event/node/1/event/ev: ev/a is starting`,
			`Handler of node/1/event/ev exited with status "aborted" (2) at step a`,
		}},
		"an error is told in the log": {action("ev", fails(errPlain)), "", []string{
			`event/node/1/event/ev: ev/a is starting`, `event/node/1/event/ev: the wire is cut`,
			`Handler of node/1/event/ev exited with status "aborted" (1) at step a`,
		}},
		"a skipped step": {action("ev", fails(worker.Skip(errPlain)), says("two")), "two\n", []string{
			`event/node/1/event/ev: ev/a is starting`, `event/node/1/event/ev: Action ev skipped step a: the wire is cut`,
			`event/node/1/event/ev: ev/b is starting`, `Handler of node/1/event/ev exited with status "completed" (0) at step b`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, nil, withHandlers(c.handler))
				e.events.Send("node/1", "ev", "")
				synctest.Wait()
				if got := e.stderr.String(); got != c.stderr {
					t.Errorf("stderr is %q", got)
				}
				if got := e.lines(); strings.Join(got, "\n") != strings.Join(c.log, "\n") {
					t.Errorf("log is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.log, "\n"))
				}
			})
		})
	}
}

// TestEventPanic: a handler's panic is no end of the agent.
func TestEventPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil, withHandlers(action("ev", func(context.Context, *worker.Call) error { panic("oh no") })))
		e.events.Send("cluster", "ev", "")
		synctest.Wait()
		e.wantLine("oh no\ngoroutine ")
		e.wantLine(`Handler of cluster/event/ev exited with status "aborted" (1) at step a`)
	})
}

// TestEventCall: what a handler's step sees.
func TestEventCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		looks := func(_ context.Context, c *worker.Call) error {
			event, isEvent := c.Event()
			_, isTask := c.Task()
			seen = append(seen, fmt.Sprint(event.Source, event.Name, isEvent, isTask, string(c.Input())))
			return errors.Join(c.Progress(50), c.Announce("x", 1))
		}
		e := start(t, nil, withHandlers(action("ev", looks)))
		e.events.Send("module/m", "ev", "no JSON at all")
		synctest.Wait()
		if len(seen) != 1 || seen[0] != "module/mevtrue falseno JSON at all" {
			t.Fatalf("saw %q", seen)
		}
	})
}

// TestNoHandler: an event nobody handles is no news.
func TestNoHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil, withHandlers(action("ev", fine)))
		e.events.Send("cluster", "other", "1")
		synctest.Wait()
		if got := e.lines(); len(got) != 0 || e.stderr.String() != "" {
			t.Fatalf("log is %q", got)
		}
	})
}

// TestBusyEvents: over the limit an event waits a moment, and is rejected if
// none of the handlers ends in it.
func TestBusyEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lasts := func(_ context.Context, c *worker.Call) error {
			d, err := time.ParseDuration(string(c.Input()))
			time.Sleep(d)
			return err
		}
		e := start(t, nil, withHandlers(action("ev", lasts)), func(c *worker.Config) { c.MaxConcurrency = 2 })
		e.events.Send("cluster", "ev", "10s")
		e.events.Send("cluster", "ev", "10s")
		e.events.Send("node/7", "ev", "1s")
		e.events.Send("node/9", "ev", "1s") // waits beside the other, not after it
		synctest.Wait()
		time.Sleep(499 * time.Millisecond)
		if got := strings.Join(e.lines(), "\n"); strings.Contains(got, "busy") {
			t.Fatalf("decided too early: %s", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		e.wantLine("Agent is busy. Event node/7/event/ev rejected!")
		e.wantLine("Agent is busy. Event node/9/event/ev rejected!")
		time.Sleep(9*time.Second + 200*time.Millisecond)
		e.events.Send("node/8", "ev", "1s")
		time.Sleep(2 * time.Second)
		e.wantLine(`Handler of node/8/event/ev exited with status "completed" (0) at step a`)
	})
}

// TestBusyTasksAndEvents: tasks and events have a limit of their own each.
func TestBusyTasksAndEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := start(t, []worker.Action{action("x", waits(gate))}, withHandlers(action("ev", fine)),
			func(c *worker.Config) { c.MaxConcurrency = 1 })
		e.push("1", "x")
		synctest.Wait()
		e.events.Send("cluster", "ev", "1")
		synctest.Wait()
		e.wantLine(`Handler of cluster/event/ev exited with status "completed" (0) at step a`)
		close(gate)
	})
}

// TestStopEvents: handlers are cancelled and log no outcome, nor why.
func TestStopEvents(t *testing.T) {
	t.Parallel()
	killed := func(ctx context.Context, _ *worker.Call) error {
		<-ctx.Done()
		return worker.Exit(143, nil)
	}
	endsWell := func(ctx context.Context, _ *worker.Call) error {
		<-ctx.Done()
		return nil
	}
	for name, step := range map[string]run{"gives up": obeys, "killed": killed, "ends well": endsWell} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, nil, withHandlers(action("ev", step, fine)))
				e.events.Send("cluster", "ev", "1")
				synctest.Wait()
				e.stop()
				if got := e.lines(); len(got) != 1 || e.stderr.String() != "" {
					t.Fatalf("log is %q, stderr %q", got, e.stderr)
				}
			})
		})
	}
}

// TestHandlerLookupFails: it costs a line in the log, and the next event is handled.
func TestHandlerLookupFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry, err := worker.NewRegistry(nil, folder{err: errFolder})
		must(t, err)
		e := start(t, nil, func(c *worker.Config) { c.Events = registry })
		e.events.Send("cluster", "ev", "1")
		e.events.Send("cluster", "ev", "2")
		synctest.Wait()
		if got := strings.Join(e.lines(), "\n"); strings.Count(got, `Event cluster/event/ev: look up "ev": permission denied`) != 2 {
			t.Fatalf("log is %s", got)
		}
	})
}
