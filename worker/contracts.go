package worker

import (
	"context"
	"errors"
)

// ErrOtherResult is not a failure: a task has a result already, told by another agent of
// the same id, or by this one in another life.
var ErrOtherResult = errors.New("another result of the task is stored")

// Queue hands out tasks. A task that was handed out stands in the list in
// progress, which survives the worker, until the [Board] has taken its result.
type Queue interface {
	// Next waits for a task: one that stands in progress and that nobody works
	// on, or else the next of the queue. It returns a [*DecodeError] for a payload
	// that is no task (and forgets it), or ctx's error; any other trouble it waits out.
	//
	// room, at least 1, is how many tasks could be started now: a queue that is
	// far away may fetch as many at once, and hands them out one by one. It is not
	// called again before it has returned.
	Next(ctx context.Context, room int) (Task, error)
	// Ahead takes a task that wanted says yes to, and that was pushed since Ahead
	// was asked the last time, from wherever it stands in the queue. It has to be one that may run
	// twice: a worker that is killed at the wrong moment gets it again from Next.
	Ahead(ctx context.Context, wanted func(Task) bool) (task Task, found bool, err error)
	// Withdraw takes the oldest wanted task that waits in the queue, from wherever it stands.
	Withdraw(ctx context.Context, wanted func(Task) bool) (task Task, found bool, err error)
	// Holds waits until it can tell whether a wanted task stands in progress.
	Holds(ctx context.Context, wanted func(Task) bool) (bool, error)
	// Known waits until it can tell the keys of all tasks that are, or will be,
	// handed out: those in progress, also of other agents of that id, and those that wait. One
	// that was begun may wait again, in a Redis that has lost its last writes, or be in progress
	// under the name that this agent had before its journal was damaged.
	Known(ctx context.Context) (map[string]bool, error)
}

// Board is where others see what becomes of a task.
//
// Calls for one task come one after another, and others see them in that order.
// Only Finish waits until others have seen it. Report and Heartbeat are news, and
// may be lost with a broken connection; what Accept tells is told again until
// others have seen it, or the task is finished.
type Board interface {
	// Accept makes the task known, with secrets replaced, as pending.
	Accept(ctx context.Context, t Task)
	// Report tells a new status or progress.
	Report(ctx context.Context, t Task, p Progress)
	// Heartbeat says that the task is still being worked on.
	Heartbeat(ctx context.Context, t Task, p Progress)
	// Finish stores the result, tells the final status, sends the announced
	// events and makes the queue forget the task: all of it or nothing. It tries
	// until that is done or ctx ends. The result of a task that is only known by
	// name, without a payload, is stored if there is none yet. [ErrOtherResult] is the end of
	// a task that has another result, which stays.
	Finish(ctx context.Context, t Task, r Result) error
}

// Journal remembers how far tasks have come. What it was told outlives the
// worker, however that ends. Tasks are told apart by their keys.
type Journal interface {
	// Past says what is known of a task: nothing if it was never begun.
	Past(t Task) Past
	// Left lists the tasks that were begun and neither run now nor are forgotten:
	// those of earlier lives, and those that were left, equal ones each. Only id,
	// action and key are set.
	Left() []Task
	// Begin notes that a task is about to run, and which step of it has been
	// started with that. sync returns when no failure of the power can undo that any
	// more; if step is empty, none is started, and until then a kill may undo it, too.
	Begin(t Task, step string) (sync func() error)
	// Step notes that a step of a task that was begun starts.
	Step(t Task, step string) error
	// Keep keeps a result that the board has not taken (yet).
	Keep(t Task, r Result) error
	// Result returns a result that was kept.
	Result(t Task) (Result, error)
	// Leave says that the task runs no more, though its result is not stored.
	Leave(t Task)
	// Forget says that the task is over, and that this result of it is stored; nil: another. A
	// kill in the next moment may undo that.
	Forget(t Task, r *Result) error
}

// Past is what is known of a task from before.
type Past struct {
	Begun   int    // how often it was begun; what was begun and not started does not count but the last time
	Started bool   // a step was, or may have been, started when it was begun the last time
	Step    string // the last step known to have been started; empty if none is
	Kept    bool   // there is a result
	Running bool   // all this is about one with an equal payload that runs now, beside the one that is asked about
}

// EventSource hands out events.
type EventSource interface {
	// Next waits for an event. When ctx ends it first hands out what had been
	// received until then, and only then returns ctx's error.
	Next(ctx context.Context) (Event, error)
}

// Source finds actions outside of the compiled-in ones, as they are at the
// moment it is asked.
type Source interface {
	// Names lists the actions the source has.
	Names() ([]string, error)
	// Lookup returns the steps and schemas the source has for an action; an
	// action without any if it has none. One that is Repeatable has been declared
	// so, whoever else has steps for it.
	Lookup(name string) (Action, error)
}

// SchemaChecker checks a JSON document against a JSON Schema (draft-07).
type SchemaChecker interface {
	// Check returns nil if document satisfies the schema, what is wrong if not,
	// and an error if either of them cannot be read.
	Check(schema Schema, document []byte) (*Violations, error)
}
