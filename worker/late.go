package worker

import (
	"context"
	"fmt"
	"slices"
)

// unlessLate gives a task up, and then calls over, if its steps have not ended when patient has.
// ended is to be called when they have, and nothing is left to do.
//
// An action that may be run again is not given up: the next life runs it.
func (w *Worker) unlessLate(patient, storing context.Context, r *run, over func()) (ended func()) {
	if r.action.Repeatable {
		return func() {}
	}
	settled := make(chan struct{})
	stop := context.AfterFunc(patient, func() {
		defer close(settled)
		if w.giveUp(patient, storing, r) {
			over()
		}
	})
	return func() {
		if !stop() {
			<-settled // before this returns, and the task counts as over: see crew
		}
	}
}

// giveUp settles a task whose step goes on: aborted, with what there is of its output. What
// the step does from now on nobody hears of. false: its steps have ended, or none was started.
func (w *Worker) giveUp(patient, storing context.Context, r *run) bool {
	last, step, running := r.tracker.giveUp()
	if !running {
		return false
	}
	why := fmt.Sprintf("%v while it ran step %s, which was still running when the agent ended", errStopped, step.name)
	if step.done { // the next one was not started
		why = fmt.Sprintf("%v after step %s", errStopped, step.name)
	}
	r.tell(why)
	end := outcome{step: step.name, code: ExitStopped, status: Aborted}
	result := r.collect(end, last)
	w.storeInTime(patient, storing, *r.call.task, result, briefly(result, why))
	// Only now: nobody may be reading the log.
	r.flush()
	w.cfg.Log.Errorf("%s: %s", r.subject, why)
	w.logOutcome(r, end)
	return true
}

// mostKeptLate is how much is kept of each stream of a task that was given up, in bytes: of many that have
// printed much, all would not be on disk in time, and what became of none of them be known.
const mostKeptLate = 64 << 10

// briefly is what is kept of a result for the case that Redis does not take it in time.
func briefly(r Result, why string) Result {
	if len(r.Output) <= mostKeptLate && len(r.Error) <= mostKeptLate {
		return r
	}
	beginning := r.Error[:min(len(r.Error), mostKeptLate)]
	r.Output = r.Output[:min(len(r.Output), mostKeptLate)]
	r.Error = fmt.Appendf(slices.Clip(beginning),
		"\nThe agent ended: no more than %d bytes of the output and of the error text were kept\n%s\n", mostKeptLate, why)
	return r
}
