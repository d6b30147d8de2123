package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"cluster-agent/internal/wait"
)

// The engine's own actions, which no directory can replace.
const (
	listActions = "list-actions"
	cancelTask  = "cancel-task"
)

const exitNoSuchTask = 2

// builtin returns the engine's own action of that name, or nil.
func (w *Worker) builtin(name string) func(context.Context, Task) Result {
	switch name {
	case listActions:
		return w.listActions
	case cancelTask:
		return w.cancelTask
	default:
		return nil
	}
}

// listActions outputs the sorted JSON list of all actions' names.
func (w *Worker) listActions(ctx context.Context, task Task) Result {
	w.report(ctx, task, Progress{Status: Running})
	names, err := w.cfg.Actions.Names()
	if err != nil {
		w.cfg.Log.Errorf("%s: list actions: %v", w.subject(task), err)
	}
	names = append(names, listActions, cancelTask)
	slices.Sort(names)
	output, err := json.Marshal(slices.Compact(names))
	if err != nil {
		return w.builtinFailed(task, "encode", ExitFailure, Aborted, err)
	}
	w.logBuiltin(task, Completed, 0, "list")
	return Result{Output: output, Final: Progress{Status: Completed, Percent: 100}, Builtin: true}
}

// cancelTask cancels a task that runs here, or takes one that waits out of the
// queue. Doing it again does no harm.
func (w *Worker) cancelTask(ctx context.Context, task Task) Result {
	id, err := taskToCancel(task.Input())
	if err != nil {
		return w.builtinFailed(task, "builtin-validation.json", ExitInvalid, ValidationFailed, err)
	}
	w.report(ctx, task, Progress{Status: Running})
	switch found, err := w.cancel(ctx, id); {
	case err != nil:
		return w.builtinFailed(task, "task-lookup", ExitFailure, Aborted, err)
	case !found:
		return w.builtinFailed(task, "task-lookup", exitNoSuchTask, ValidationFailed, errors.New("task ID not found"))
	}
	w.logBuiltin(task, Completed, 0, "task-cancel")
	return Result{Final: Progress{Status: Completed, Percent: 100}, Builtin: true}
}

// cancel cancels a task that runs or waits, or that is on its way from the one to the other. Of one
// whose result is being stored there is nothing to cancel, nor to wait for.
func (w *Worker) cancel(ctx context.Context, id string) (found bool, err error) {
	for {
		cancelled, known := w.running.cancel(id)
		if cancelled {
			return true, nil
		}
		if found, err = w.withdraw(ctx, id); found || known || err != nil {
			return found, err
		}
		taken, err := w.cfg.Queue.Holds(ctx, func(task Task) bool { return task.ID == id && !w.isBuiltin(task) })
		if !taken || err != nil {
			return false, err
		}
		if !wait.For(ctx, aheadInterval) {
			return false, ctx.Err()
		}
	}
}

// withdraw settles a task that waits in the queue as cancelled.
func (w *Worker) withdraw(ctx context.Context, id string) (found bool, err error) {
	waiting, found, err := w.cfg.Queue.Withdraw(ctx, func(task Task) bool { return task.ID == id })
	if err != nil || !found {
		return found, err
	}
	w.answer(ctx, waiting, func() Result {
		return w.unrun(waiting, ExitCancelled, "", "was cancelled while it waited for its turn")
	})
	return true, nil
}

func taskToCancel(input []byte) (string, error) {
	var order struct {
		Task    string  `json:"task"`
		Timeout float64 `json:"timeout"`
	}
	if json.Unmarshal(input, &order) != nil || order.Task == "" || order.Timeout < 0 {
		return "", errors.New("invalid task ID or timeout value")
	}
	return order.Task, nil
}

func (w *Worker) builtinFailed(task Task, step string, code int, status Status, err error) Result {
	text := fmt.Sprintf("Action %s %s at step %s: %v", task.Action, status, step, err)
	w.cfg.Log.Warnf("%s: %s", w.subject(task), text)
	w.logBuiltin(task, status, code, step)
	return Result{Error: []byte(text), ExitCode: code, Final: Progress{Status: status}, Builtin: true}
}

func (w *Worker) logBuiltin(task Task, status Status, code int, step string) {
	w.cfg.Log.Infof("%s: action %q status is %q (%d) at step %s", w.subject(task), task.Action, status, code, step)
}
