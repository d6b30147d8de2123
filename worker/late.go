package worker

import (
	"context"
	"fmt"
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
			<-settled // or the task would be over before
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
	w.storeInTime(patient, storing, *r.call.task, r.collect(end, last))
	// Only now: nobody may be reading the log.
	r.flush()
	w.cfg.Log.Errorf("%s: %s", r.subject, why)
	w.logOutcome(r, end)
	return true
}
