package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"cluster-agent/worker"
)

// TestCall: what a task's step sees, and what it can write.
func TestCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := func(_ context.Context, c *worker.Call) error {
			var data struct{ N int }
			if err := c.Decode(&data); err != nil {
				return err
			}
			task, isTask := c.Task()
			_, isEvent := c.Event()
			c.Log().Info("seen")
			return errors.Join(
				c.Printf("%s %s %s %v %v", task.ID, task.Action, task.User, isTask, isEvent),
				c.Printf("%d %s %s", data.N, c.Get("list.1.x"), c.Input()),
				c.Reply(map[string]int{"n": data.N}),
				c.SetWeight("a", 3),
			)
		}
		e := start(t, []worker.Action{action("x", looks, fine)})
		e.Push(t, `{"id":"1","action":"x","user":"joe","data":{"n":7,"list":[1,{"x":"deep"}]}}`)
		got := e.Result(t, "1")
		want := "1 x joe true false\n7 deep {\"list\":[1,{\"x\":\"deep\"}],\"n\":7}\n"
		if string(got.Error) != want || string(got.Output) != "{\"n\":7}\n" || got.ExitCode != 0 {
			t.Fatalf("got %d %q %q", got.ExitCode, got.Error, got.Output)
		}
		if fmt.Sprint(e.percents("1")) != "[0 0 75 100 100]" {
			t.Fatalf("told %v", e.percents("1"))
		}
		if e.stderr.String() != want {
			t.Fatalf("the agent's stderr has %q", e.stderr)
		}
	})
}

// TestCallErrors: what a step gets wrong is an error of the call.
func TestCallErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errs := map[string]error{}
		tries := func(_ context.Context, c *worker.Call) error {
			errs["decode input"] = c.Decode(&struct{ N string }{})
			errs["write output"] = c.Reply(make(chan int))
			errs["set progress to 101"] = c.Progress(101)
			errs["no such step"] = c.SetWeight("nope", 1)
			return nil
		}
		e := start(t, []worker.Action{action("x", tries)})
		e.pushData("1", "x", `{"n":7}`)
		if got := e.Result(t, "1"); got.ExitCode != 0 {
			t.Fatalf("got %+v", got)
		}
		for want, err := range errs {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want %q", err, want)
			}
		}
	})
}

// TestErrorTexts: errors that decide an outcome still say what happened.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"exit code 7":     worker.Exit(7, nil),
		"the wire is cut": worker.Exit(7, errPlain),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	for _, err := range []error{worker.Exit(7, errPlain), worker.Skip(errPlain), &worker.DecodeError{Err: errPlain}, &worker.InvalidError{Err: errPlain}} {
		if !errors.Is(err, errPlain) {
			t.Errorf("%T hides its reason", err)
		}
	}
}
