package redisq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// write is a group of commands that are sent together, and again together if
// Redis did not take them.
type write struct {
	commands func(context.Context) []*redis.Cmd // made anew for every try
	news     bool                               // nobody waits for it, and it may be lost
	about    string                             // key of the task that it has news of
	accepts  string                             // key of the task that it shows for the first time; as a rule none
	finishes string                             // key of the task that it finishes
	// refused makes what can be told on a Redis that turned out to be a replica;
	// it is asked once and may be nil.
	refused func() *write
	// landed makes what tells whether the write was carried out although no reply
	// came: LPOS of its task, and EXISTS of its result. nil: it may be sent twice.
	landed func(context.Context) (twoQuestions []*redis.Cmd)
	// ended makes what is left to be written of a task that it shows when that has been
	// finished before.
	ended func() *write
	done  chan error // gets the outcome; nil: nobody waits
	size  int        // of what it writes, in bytes, if that may be much

	// Of the sender.
	since     time.Time // when it was handed in
	notBefore time.Time // when it may be tried again
	sent      []*redis.Cmd
	// unanswered: some try got no reply, and may have been carried out, whatever
	// became of the later ones; or another agent may have done the same before.
	unanswered bool
	confirmed  bool // it was found to have been carried out

	// Guarded by the outbox.
	failure error // of the last try
	gaveUp  bool  // nobody waits any more
	unseen  bool  // the task that it finishes was not shown before
}

// outcome looks at the replies to the last try. The error of a command that was
// refused comes before the EXECABORT that follows from it.
func (w *write) outcome() error {
	if w.confirmed {
		return nil
	}
	for command, err := range w.failures {
		if !wasInVain(command, err) {
			return err
		}
	}
	return nil
}

// failures are the commands of the last try that failed, those inside of a transaction that was
// carried out included.
func (w *write) failures(yield func(*redis.Cmd, error) bool) {
	for _, command := range w.sent {
		// When a connection breaks, go-redis gives its error to all commands of the
		// batch, those that have their reply included.
		if err := command.Err(); err != nil && command.Val() == nil && !yield(command, err) {
			return
		}
	}
	exec := w.sent[len(w.sent)-1]
	if exec.Name() != "exec" || exec.Err() != nil && exec.Val() == nil {
		return
	}
	replies, ok := exec.Val().([]any)
	if !ok {
		yield(exec, fmt.Errorf("unexpected reply to EXEC: %v", exec.Val()))
		return
	}
	carriedOut := w.sent[len(w.sent)-1-len(replies):]
	for i, reply := range replies {
		if failure, ok := reply.(error); ok && !yield(carriedOut[i], failure) {
			return
		}
	}
}

// wasInVain tells whether a command failed that should have taken a task out of what is no list: the
// task does not stand there, and all else that was sent with it has been done.
func wasInVain(command *redis.Cmd, err error) bool {
	return command.Name() == "lrem" && isWrongType(err)
}

// finish tells who waits how it went.
func (w *write) finish(err error) {
	if w.done != nil {
		w.done <- err
	}
}

// goesAgain tells whether a write is to be sent again, and tells who waits for
// it if not. A replica is given up after some time: what is written to it by
// then is another machine's to write.
func (w *write) goesAgain(now time.Time, patience time.Duration) bool {
	refused := isRefusal(w.failure)
	switch {
	case w.failure == nil:
		w.finish(nil)
	case w.gaveUp, w.news && refused:
	case becameReplica(w.failure) && now.Sub(w.since) > patience:
		w.finish(&refusedError{w.failure})
	default:
		return true
	}
	return false
}

// answered tells whether Redis has said something to the last try.
func (w *write) answered() bool { return w.failure == nil || isRefusal(w.failure) }

// isRefusal tells an answer of Redis from a connection that gave none.
func isRefusal(err error) bool {
	_, refused := errors.AsType[redis.Error](err)
	return refused
}

// refusedError ends the tries to write to a Redis that is a replica.
type refusedError struct{ error }

// Error says how it ended.
func (e *refusedError) Error() string {
	return fmt.Sprintf("given up, for Redis stays a replica: %v", e.error)
}

// Unwrap returns what Redis said.
func (e *refusedError) Unwrap() error { return e.error }
