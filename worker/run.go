package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/sirupsen/logrus"
)

// Why a run's context may end.
var (
	errCancelled = errors.New("the task was cancelled")
	errStopped   = errors.New("the agent was stopped")
)

// exitTerminated is what a process that dies of SIGTERM counts as. A
// compiled-in step that gives up when its context is cancelled counts the same.
const exitTerminated = 128 + 15

// run is one execution of an action, for a task or for an event.
type run struct {
	subject string // what the log calls it
	action  Action
	call    Call
	tracker *tracker
	output  *boundedBuffer // of a task; nil for an event
	errput  *boundedBuffer // error text of a task; nil for an event
	copies  []*lines       // what goes to the agent's stderr
	log     *logrus.Entry
	hushed  func() bool             // nothing is to be logged any more; nil: never
	note    func(step string) error // has the journal know of a step before it starts; nil: nobody asks
}

// outcome is how a run ended.
type outcome struct {
	step   string // the last step that ran
	code   int
	status Status
}

func (o outcome) ok() bool { return o.status == Completed }

// steps runs one step after another until one of them ends the action.
func (r *run) steps(ctx context.Context) outcome {
	last := outcome{status: Completed}
	for i, step := range r.action.Steps {
		if ended := r.interruption(ctx, step); ended != nil {
			return *ended
		}
		last = r.step(ctx, i, step)
		if !last.ok() {
			return last
		}
	}
	return last
}

// interruption tells how the action ends if ctx ended before step could start.
func (r *run) interruption(ctx context.Context, step Step) *outcome {
	if ctx.Err() == nil {
		return nil
	}
	r.explain(fmt.Errorf("%w before step %s", context.Cause(ctx), step.Name))
	code := ExitCancelled
	if errors.Is(context.Cause(ctx), errStopped) {
		code = ExitStopped
	}
	return &outcome{step: step.Name, code: code, status: Aborted}
}

func (r *run) step(ctx context.Context, i int, step Step) outcome {
	// The log first: nobody may be reading it, until the run is given up.
	r.log.Infof("%s: %s/%s is starting", r.subject, printable(r.action.Name), step.Name)
	if !r.tracker.start(i) {
		return outcome{step: step.Name, code: ExitStopped, status: Aborted} // as it was settled without this one
	}
	err := r.noted(ctx, step)
	r.flush()
	if isSkip(err) {
		r.skipped(step, err)
		err = nil
	}
	end := r.judge(ctx, step.Name, err)
	end.step = step.Name
	if end.ok() {
		r.tracker.done()
	}
	return end
}

// flush passes on last lines without an end.
func (r *run) flush() {
	for _, copied := range r.copies {
		copied.flush()
	}
}

// skipped tells of a step that did not run: in the log, and in the error text of
// a task.
func (r *run) skipped(step Step, why error) {
	r.say(logrus.WarnLevel, fmt.Sprintf("Action %s skipped step %s: %v", r.action.Name, step.Name, why))
}

// noted runs a step that the journal knows of.
func (r *run) noted(ctx context.Context, step Step) error {
	if r.note != nil {
		if err := r.note(step.Name); err != nil {
			return fmt.Errorf("not started: %w", err)
		}
	}
	return r.guarded(ctx, step)
}

// guarded runs a step; a panic in it is an error of this task, not of the agent.
func (r *run) guarded(ctx context.Context, step Step) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			r.log.Errorf("%s: step %s panicked: %v\n%s", r.subject, step.Name, cause, debug.Stack())
			err = fmt.Errorf("step %s panicked: %v", step.Name, cause)
		}
	}()
	return step.Run(ctx, &r.call)
}

// judge turns what a step returned into exit code and status.
func (r *run) judge(ctx context.Context, step string, err error) outcome {
	if invalid, ok := errors.AsType[*InvalidError](err); ok {
		return r.reject(invalid)
	}
	code := exitCode(err)
	if err != nil {
		r.explain(err)
	}
	switch {
	case errors.Is(context.Cause(ctx), errStopped) && code != 0:
		r.explain(fmt.Errorf("%w while it ran step %s", errStopped, step))
		return outcome{code: ExitStopped, status: Aborted}
	case r.tracker.validationFailed() && code == 0:
		return outcome{code: ExitInvalid, status: ValidationFailed}
	case r.tracker.validationFailed():
		return outcome{code: code, status: ValidationFailed}
	case code == 0:
		return outcome{status: Completed}
	default:
		return outcome{code: code, status: Aborted}
	}
}

func exitCode(err error) int {
	var exit *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	case errors.Is(err, context.Canceled):
		return exitTerminated
	default:
		return ExitFailure
	}
}

// reject writes the violations to the output.
func (r *run) reject(invalid *InvalidError) outcome {
	r.explain(invalid)
	list, err := invalid.output()
	if err == nil {
		_, err = r.call.stdout.Write(list)
	}
	if err != nil {
		r.explain(fmt.Errorf("write violations: %w", err))
		return outcome{code: ExitFailure, status: Aborted}
	}
	code := invalid.Code
	if code == 0 {
		code = ExitInvalid
	}
	return outcome{code: code, status: ValidationFailed}
}

// explain tells what went wrong, unless the step has said it itself.
func (r *run) explain(err error) {
	var exit *ExitError
	if errors.As(err, &exit) && exit.Err == nil {
		return
	}
	r.say(logrus.ErrorLevel, err.Error())
}

// say adds a line to the log and to the error text of a task.
func (r *run) say(level logrus.Level, line string) {
	if r.hushed == nil || !r.hushed() {
		r.log.Logf(level, "%s: %s", r.subject, strings.ReplaceAll(line, r.action.Name, printable(r.action.Name)))
	}
	r.tell(line)
}

// tell adds a line to the error text of a task.
func (r *run) tell(line string) {
	if r.errput != nil {
		r.errput.say(line)
	}
}
