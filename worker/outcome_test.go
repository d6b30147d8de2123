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

var (
	errPlain  = errors.New("the wire is cut")
	completed = worker.Progress{Status: worker.Completed, Percent: 100}
	rejected  = worker.Progress{Status: worker.ValidationFailed}
	aborted   = worker.Progress{Status: worker.Aborted}
	halfDone  = worker.Progress{Status: worker.Aborted, Percent: 50}
)

// outcomeCase is an action and what its task comes to.
type outcomeCase struct {
	action worker.Action
	code   int
	final  worker.Progress
	output string
	errput string // beginning of the error text; it is empty if this is
	line   string // of the log
}

func outcomes() map[string]outcomeCase {
	invalid := func(code int) run {
		return func(_ context.Context, c *worker.Call) error {
			return c.Invalid(code, "network", "10.0.0.0/8", "network_in_use", errPlain)
		}
	}
	failsValidation := func(err error) run {
		return func(_ context.Context, c *worker.Call) error {
			c.FailValidation()
			return err
		}
	}
	withInput, withOutput := action("x", says("ab")), action("x", says("ab"))
	violation := `[{"field":"network","parameter":"network","value":"10.0.0.0/8","error":"network_in_use"}]`
	return map[string]outcomeCase{
		"all well": {
			action: action("x", says("1"), says("2"), says("3")), final: completed, output: "123",
			line: `task/module/m1/1: action "x" status is "completed" (0) at step c`,
		},
		"no such action": {
			action: action("y"), code: 8, final: aborted, errput: "Action x is not defined\n",
			line: `action "x" status is "aborted" (8)`,
		},
		"a plain error": {
			action: action("x", fine, fails(errPlain)), code: 1, final: halfDone, errput: "the wire is cut\n",
			line: `task/module/m1/1: action "x" status is "aborted" (1) at step b`,
		},
		"later steps do not run": {
			action: action("x", says("1"), fails(worker.Exit(7, nil)), says("3")), code: 7,
			final: worker.Progress{Status: worker.Aborted, Percent: 33}, output: "1", line: `"aborted" (7) at step b`,
		},
		"an exit code with a reason": {
			action: action("x", fails(worker.Exit(200, errPlain))), code: 200, final: aborted, errput: "the wire is cut\n",
		},
		"an exit code further down": {
			action: action("x", fails(fmt.Errorf("dig: %w", worker.Exit(40, errPlain)))), code: 40, final: aborted,
			errput: "dig: the wire is cut\n",
		},
		"a step that gives up": {
			action: action("x", fails(fmt.Errorf("wait: %w", context.Canceled))), code: 143, final: aborted, errput: "wait: context canceled\n",
		},
		"validation-failed and 0": {
			action: action("x", failsValidation(nil), says("never")), code: 10, final: rejected,
			line: `"validation-failed" (10) at step a`,
		},
		"validation-failed and 3": {
			action: action("x", failsValidation(worker.Exit(3, nil)), says("never")), code: 3, final: rejected,
		},
		"violations": {
			action: action("x", invalid(2), says("never")), code: 2, final: rejected, output: violation,
			errput: "network: network_in_use: the wire is cut\n",
		},
		"violations and 0": {
			action: action("x", invalid(0), says("never")), code: 10, final: rejected, output: violation,
			errput: "network: network_in_use: the wire is cut\n",
		},
		"a panic": {
			action: action("x", func(context.Context, *worker.Call) error { panic("oh no") }, says("never")), code: 1, final: aborted,
			errput: "step a panicked: oh no\n", line: "panicked: oh no\ngoroutine ",
		},
		"a skipped step": {
			action: action("x", says("1"), fails(worker.Skip(errPlain)), says("3")), final: completed, output: "13",
			errput: "Action x skipped step b: the wire is cut\n", line: "task/module/m1/1: Action x skipped step b: the wire is cut",
		},
		"all steps skipped": {
			action: action("x", fails(worker.Skip(errPlain))), final: completed,
			errput: "Action x skipped step a: the wire is cut\n",
		},
		"the input is right":      {action: with(withInput, schema("null"), none), final: completed, output: "ab"},
		"the input is wrong":      {action: with(withInput, schema("7"), none), code: 10, final: rejected, output: `[{"field":"x"}]`, errput: "Validation errors: [x: it is not there]\n", line: `"validation-failed" (10) at step validate-input.json`},
		"no schema of the input":  {action: with(withInput, schema("broken"), none), code: 1, final: aborted, errput: "JSON Schema input validation aborted at step schema broken: no such schema\n", line: `"aborted" (1) at step validate-input.json`},
		"the output is right":     {action: with(withOutput, none, schema("ab")), final: completed, output: "ab"},
		"the output is wrong":     {action: with(withOutput, none, schema("7")), code: 1, final: worker.Progress{Status: worker.Aborted, Percent: 100}, output: "ab", errput: "Validation errors: [x: it is not there]\n", line: `"aborted" (1) at step validate-output.json`},
		"no schema of the output": {action: with(withOutput, none, schema("broken")), code: 1, final: worker.Progress{Status: worker.Aborted, Percent: 100}, output: "ab", errput: "JSON Schema output validation aborted at step schema broken: no such schema\n"},
		"output of a failure is not checked": {
			action: with(action("x", fails(worker.Exit(7, nil))), none, schema("broken")), code: 7, final: aborted,
		},
	}
}

var none worker.Schema

func with(a worker.Action, input, output worker.Schema) worker.Action {
	a.Input, a.Output = input, output
	return a
}

// TestOutcomes: what a task comes to, by what its steps do.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range outcomes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{c.action})
				got := e.do("x")
				if got.ExitCode != c.code || got.Final != c.final || string(got.Output) != c.output {
					t.Errorf("got %d %+v %q, want %d %+v %q", got.ExitCode, got.Final, got.Output, c.code, c.final, c.output)
				}
				if text := string(got.Error); !strings.HasPrefix(text, c.errput) || (c.errput == "") != (text == "") {
					t.Errorf("error text is %q, want %q", text, c.errput)
				}
				e.wantLine(c.line)
				if e.push("2", "cancel-task"); e.Result(t, "2").ExitCode != 10 {
					t.Error("the agent does not go on")
				}
			})
		})
	}
}

// TestRunningIsToldWithTheFirstStep: a check of the input is none.
func TestRunningIsToldWithTheFirstStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action worker.Action
		want   []int
	}{
		"a step":         {action("x", fails(errPlain)), []int{0, 0, 0}},
		"input is wrong": {with(action("x", fine), schema("7"), none), []int{0, 0}},
		"no schema":      {with(action("x", fine), schema("broken"), none), []int{0, 0}},
		"no action":      {action("y", fine), []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, []worker.Action{c.action})
				e.do("x")
				if got := e.percents("1"); len(got) != len(c.want) {
					t.Fatalf("told %+v", e.Told("1"))
				}
			})
		})
	}
}

// TestNoChecker: an agent without a checker of schemas does not pass over them.
func TestNoChecker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{with(action("x", fine), schema("null"), none)}, func(c *worker.Config) { c.Schemas = nil })
		if got := e.do("x"); got.ExitCode != 1 || !strings.Contains(string(got.Error), "no schema checker") {
			t.Fatalf("got %d %q", got.ExitCode, got.Error)
		}
	})
}

// TestAnnouncements: they go out with the result of an action that is completed,
// and with no other.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	announces := func(_ context.Context, c *worker.Call) error {
		if err := c.Announce("x", make(chan int)); err == nil {
			return errors.New("a channel was encoded")
		}
		return c.Announce("cluster/event/x", map[string]int{"n": 1})
	}
	for name, c := range map[string]struct {
		end  run
		want int
	}{"completed": {fine, 1}, "aborted": {fails(errPlain), 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := start(t, []worker.Action{action("x", announces, c.end)}).do("x").Announcements
				if len(got) != c.want {
					t.Fatalf("announced %v", got)
				}
				if c.want == 1 && (got[0].Channel != "cluster/event/x" || string(got[0].Payload) != `{"n":1}`) {
					t.Fatalf("announced %+v", got[0])
				}
			})
		})
	}
}

// TestBoundedOutput: past the limit the rest is dropped with a note, and the
// step goes on.
func TestBoundedOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		prints := func(_ context.Context, c *worker.Call) error {
			for range 100 {
				if err := errors.Join(c.Reply("out"), c.Printf("err")); err != nil {
					return err
				}
			}
			return nil
		}
		e := start(t, []worker.Action{action("x", prints, says("more"))}, func(c *worker.Config) { c.OutputLimit = 8 })
		got := e.do("x")
		want := "err\nerr\nThe output was cut after 8 bytes: 596 more were dropped\n" +
			"The error text was cut after 8 bytes: 392 more were dropped\n"
		if got.ExitCode != 0 || string(got.Output) != "\"out\"\n\"o" || string(got.Error) != want {
			t.Fatalf("got %d %q %q", got.ExitCode, got.Output, got.Error)
		}
		if copied := e.stderr.String(); copied != strings.Repeat("err\n", 100) {
			t.Fatalf("the agent's stderr has %q", copied)
		}
	})
}

// TestStderrFull: a disk that is full under the agent's log is no trouble of a step.
func TestStderrFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		prints := func(_ context.Context, c *worker.Call) error {
			return errors.Join(c.Printf("first"), c.Printf("second"))
		}
		e := prepare(t, []worker.Action{action("x", prints)})
		e.stderr.err = errors.New("no space left on device")
		e.run()
		if got := e.do("x"); got.ExitCode != 0 || string(got.Error) != "first\nsecond\n" {
			t.Fatalf("got %d %q", got.ExitCode, got.Error)
		}
	})
}
