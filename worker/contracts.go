package worker

import "context"

// Queue hands out tasks. A task handed out survives a crash of the worker: it
// stays known as in progress until the [Board] has taken its result.
type Queue interface {
	// Next waits for a task. It returns a [*DecodeError] for a payload that is
	// no task (and forgets it), or ctx's error; any other trouble it waits out.
	//
	// room, at least 1, is how many tasks could be started now: a queue that is
	// far away may fetch as many at once, and hands them out one by one.
	Next(ctx context.Context, room int) (Task, error)
}

// Board is where others see what becomes of a task.
//
// Calls for one task come one after another, and others see them in that order.
// Report and Heartbeat are news: they do not wait until others have seen them,
// and may be lost with a broken connection; Accept and Finish are not.
type Board interface {
	// Accept makes the task known, with secrets replaced, as pending.
	Accept(ctx context.Context, t Task) error
	// Report tells a new status or progress.
	Report(ctx context.Context, t Task, p Progress)
	// Heartbeat says that the task is still being worked on.
	Heartbeat(ctx context.Context, t Task, p Progress)
	// Finish stores the result, tells the final status, sends the announced
	// events and makes the queue forget the task: all of it or nothing. It tries
	// until that is done or ctx ends.
	Finish(ctx context.Context, t Task, r Result) error
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
	// action without any if it has none.
	Lookup(name string) (Action, error)
}

// SchemaChecker checks a JSON document against a JSON Schema (draft-07).
type SchemaChecker interface {
	// Check returns nil if document satisfies the schema, what is wrong if not,
	// and an error if either of them cannot be read.
	Check(schema Schema, document []byte) (*Violations, error)
}
