package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"
)

// takeTasks runs tasks, as many at once as the limit allows. A slot is taken
// before a task is: what cannot be run yet stays in the queue, in order.
func (w *Worker) takeTasks(ctx context.Context) {
	tasks := w.hire(ctx)
	defer tasks.dismiss()
	for ctx.Err() == nil && !w.drained() {
		w.takeWhileBusy(ctx, tasks)
	}
}

// takeWhileBusy takes tasks until the worker was asked to end and nothing runs any more for a
// moment. The last fetch may bring a task all the same, whose own tasks are to be taken, too.
func (w *Worker) takeWhileBusy(ctx context.Context, tasks *crew) {
	taking, stop := w.untilDrained(ctx, w.busy)
	defer stop()
	for taking.Err() == nil && !w.drained() {
		if w.cfg.RejectWhenBusy && w.isFull() {
			w.rejectNext(taking, ctx, tasks)
			continue
		}
		if !w.takeSlot(ctx) {
			return
		}
		task, err := w.cfg.Queue.Next(taking, 1+cap(w.slots)-len(w.slots))
		if err != nil {
			<-w.slots
			w.ignored(err)
			continue
		}
		w.start(ctx, tasks, task, func() { <-w.slots })
	}
}

// start handles a task beside others; ended is called when it is over.
func (w *Worker) start(ctx context.Context, tasks *crew, task Task, ended func()) {
	w.busy.add()
	w.tasks.add()
	// Known before the next task is taken, which may be the one that cancels it.
	running, cancel := context.WithCancelCause(ctx)
	if w.builtin(task.Action) == nil {
		w.running.add(running, task.ID, cancel)
	}
	tasks.do(
		func(over func()) { tasks.handle(running, task, over) },
		func() { w.running.remove(running, task.ID); cancel(nil); w.tasks.done(); w.busy.done(); ended() },
	)
}

// untilDrained returns a context that ends when the worker was asked to end and
// nothing runs any more.
func (w *Worker) untilDrained(ctx context.Context, running *gauge) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-w.draining:
			running.wait(ctx)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// drained tells whether the worker was asked to end and nothing runs any more.
func (w *Worker) drained() bool {
	select {
	case <-w.draining:
		return w.busy.isIdle()
	default:
		return false
	}
}

func (w *Worker) ignored(err error) {
	var undecodable *DecodeError
	switch {
	case errors.As(err, &undecodable):
		w.cfg.Log.Warnf("Task ignored for decoding error: %v", err)
	case errors.Is(err, context.Canceled):
	default:
		w.cfg.Log.Errorf("Next task: %v", err)
	}
}

// handle sees a task from its acceptance to its result. running ends with the agent, or when
// the task is cancelled, patient a while after the agent, and storing after that. over is called
// if the task is over before a step of it has ended.
func (w *Worker) handle(running, patient, storing context.Context, task Task, over func()) {
	if builtin := w.builtin(task.Action); builtin != nil {
		w.answer(storing, task, func() Result { return builtin(storing, task) })
		return
	}
	w.leaving.wait(storing, task.Key)
	past := w.cfg.Journal.Past(task)
	switch w.decide(task, past) {
	case storeIt:
		w.running.end(running, task.ID)
		w.storeKept(storing, task, past)
	case settleIt:
		w.running.end(running, task.ID)
		w.settle(storing, task, past)
	case runIt:
		w.runTask(running, patient, storing, task, over)
	}
}

// answer accepts a task and stores what it comes to at once: nothing of it has
// to be known after a crash.
func (w *Worker) answer(storing context.Context, task Task, work func() Result) {
	w.cfg.Board.Accept(storing, task)
	if err := w.cfg.Board.Finish(storing, task, work()); err != nil {
		w.cfg.Log.Errorf("%s: store result: %v", w.subject(task), err)
	}
}

// runTask runs a task. That it is begun has to be on disk before a step starts,
// unless it may be run again anyway. A board that does not hear of it now is no
// reason not to run: it gets the result when it does.
func (w *Worker) runTask(ctx, patient, storing context.Context, task Task, over func()) {
	w.cfg.Board.Accept(storing, task)
	action, failure := w.cfg.Actions.Lookup(task.Action)
	if err := w.begin(task, action); err != nil {
		w.store(storing, task, w.notBegun(task, err))
		return
	}
	r := w.newRun(patient, task, action)
	ended := w.unlessLate(patient, storing, r, over)
	end := w.runAction(ctx, patient, r, failure)
	w.running.end(ctx, task.ID) // before anybody hears of it: there is nothing to cancel any more
	if result, first := w.result(r, end); first {
		w.storeInTime(patient, storing, task, result, result)
	}
	ended()
}

// begin has the journal know that a task begins. Of one that may be run again it
// need not be known exactly whether its first step was started.
func (w *Worker) begin(task Task, action Action) error {
	if action.Repeatable && len(action.Steps) > 0 {
		w.cfg.Journal.Begin(task, action.Steps[0].Name)
		return nil
	}
	return w.cfg.Journal.Begin(task, "")()
}

// noteStep has the journal know that a step starts, unless it does already.
func (w *Worker) noteStep(task Task, action Action, step string) error {
	if action.Repeatable && step == action.Steps[0].Name {
		return nil
	}
	return w.cfg.Journal.Step(task, step)
}

// newRun prepares a run of a task's action. Its progress is told as long as patient goes on: a
// board that is slow must not hold up the end of an agent.
func (w *Worker) newRun(patient context.Context, task Task, action Action) *run {
	output := &boundedBuffer{limit: w.cfg.OutputLimit}
	errput := &boundedBuffer{limit: w.cfg.OutputLimit}
	copied := &lines{to: w.stderr}
	r := &run{
		subject: w.subject(task), action: action, log: w.cfg.Log,
		output: output, errput: errput, copies: []*lines{copied},
		tracker: newTracker(action.Steps, func(p Progress) { w.report(patient, task, p) }),
		note:    func(step string) error { return w.noteStep(task, action, step) },
	}
	r.hushed = r.tracker.isClosed
	r.call = Call{
		task: &task, input: task.Input(), stdout: output, stderr: io.MultiWriter(errput, copied),
		control: r.tracker, log: w.cfg.Log,
	}
	return r
}

// runAction runs the steps of a task's action. An action that could not be looked up comes to
// that failure.
func (w *Worker) runAction(ctx, patient context.Context, r *run, failure error) outcome {
	if failure != nil {
		r.explain(failure)
		return outcome{code: ExitFailure, status: Aborted}
	}
	if len(r.action.Steps) == 0 {
		r.say(logrus.ErrorLevel, fmt.Sprintf("Action %s is not defined", r.action.Name))
		return outcome{code: ExitUndefined, status: Aborted}
	}
	if end := r.checkInput(w.cfg.Schemas); !end.ok() {
		return end
	}
	// A cancelled task is alive as long as its step cleans up.
	heart := startHeart(w.cfg.PollingInterval, func() {
		r.tracker.lastTold(func(p Progress) { w.cfg.Board.Heartbeat(patient, *r.call.task, p) })
	})
	end := r.steps(ctx)
	heart.stop()
	if end.ok() && r.action.Output.Name != "" {
		end = r.checkOutput(w.cfg.Schemas, r.output.bytes(), end)
	}
	return end
}

// result is what came of a run that has ended; false if it was given up before.
func (w *Worker) result(r *run, end outcome) (result Result, first bool) {
	if r.tracker.isClosed() {
		return Result{}, false
	}
	w.logOutcome(r, end)
	last, first := r.tracker.close(end.status)
	return r.collect(end, last), first
}

// collect puts together what came of a task, as far as it is there.
func (r *run) collect(end outcome, last closing) Result {
	for _, note := range []string{r.output.note("output"), r.errput.note("error text")} {
		if note != "" {
			r.tell(note)
		}
	}
	result := Result{
		Output: r.output.bytes(), Error: r.errput.bytes(),
		ExitCode: end.code, Final: last.final, Held: last.held,
		OnReplica: r.action.EndsOnReplica,
	}
	if end.ok() {
		result.Announcements = last.outbox
	}
	return result
}

func (w *Worker) logOutcome(r *run, end outcome) {
	level := logrus.InfoLevel
	if !end.ok() {
		level = logrus.ErrorLevel
	}
	w.cfg.Log.Logf(level, "%s: action %q status is %q (%d) at step %s",
		r.subject, r.action.Name, end.status, end.code, end.step)
}

func (w *Worker) report(ctx context.Context, task Task, p Progress) {
	w.cfg.Board.Report(ctx, task, p)
}

func (w *Worker) subject(task Task) string {
	return fmt.Sprintf("task/%s/%s", w.cfg.AgentID, printable(task.ID))
}

// printable keeps a text that others have chosen from being more than one line of the log.
func printable(text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return strconv.Quote(text)
	}
	return text
}

// outlive returns a context that goes on for a while after ctx has ended.
func outlive(ctx context.Context, grace time.Duration) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stopWatch := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stopWatch(); cancel() }
}
