package redisq

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A batch is bounded, since the first of it waits for the reply to the last, and since all of
// it is sent again if the connection breaks.
const (
	maxBatch      = 512
	maxBatchBytes = 1 << 20 // of results; a larger one goes by itself
)

// longWait stands for nothing to wait for.
const longWait = time.Hour

// send sends one batch after another until the outbox is closed. What is handed
// in while a batch is under way goes out with the next, in one write: the more
// there is to do, the less each part of it costs.
func (o *outbox) send(ctx context.Context) {
	var batch []*write
	for ctx.Err() == nil {
		var wait time.Duration
		batch, wait = o.take(batch[:0], time.Now())
		if len(batch) == 0 {
			waitFor(ctx, o.wake, wait)
			continue
		}
		client, conn := o.link.take()
		lost := exchange(ctx, conn, batch)
		o.settle(batch, time.Now())
		o.watch(client, batch, lost)
		if slices.ContainsFunc(batch, func(w *write) bool { return w.outcome() != nil }) {
			o.link.giveBack()
		}
		clear(batch) // results may be large, and the next batch may be hours away
		if lost != nil {
			pause(ctx, retryPause(lost, o.interval))
		}
	}
}

// take moves what can be sent now to batch; if that is nothing, wait is how
// long it will take until there may be something.
func (o *outbox) take(batch []*write, now time.Time) (_ []*write, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if wait = o.untilDue(now); wait > 0 {
		return batch, wait
	}
	if o.timed {
		o.soon.Stop()
		o.timed = false
	}
	wait = longWait
	kept := o.waiting[:0]
	full, bytes := false, 0
	for _, w := range o.waiting {
		switch {
		case w.gaveUp:
		case w.notBefore.After(now):
			wait = min(wait, w.notBefore.Sub(now))
			kept = append(kept, w)
		case full || len(batch) > 0 && bytes+w.size > maxBatchBytes:
			full = true // what comes later waits, too
			kept = append(kept, w)
		default:
			batch, bytes = append(batch, w), bytes+w.size
			full = len(batch) == maxBatch
		}
	}
	clear(o.waiting[len(kept):])
	o.waiting = kept
	return batch, wait
}

// untilDue is how long what waits may go on waiting for something to travel with: not at all
// once somebody waits for it. The caller holds the lock.
func (o *outbox) untilDue(now time.Time) time.Duration {
	if len(o.waiting) == 0 || slices.ContainsFunc(o.waiting, func(w *write) bool { return w.done != nil }) {
		return 0
	}
	return rideDelay - now.Sub(o.waiting[0].since)
}

// exchange sends a batch and reads the replies, which each command keeps. The
// error is that of the connection, if it broke.
func exchange(ctx context.Context, conn *redis.Conn, batch []*write) (lost error) {
	for _, w := range batch {
		w.sent = w.commands(ctx)
	}
	if err := confirm(ctx, conn, batch); err != nil {
		for _, w := range batch {
			w.sent[0].SetErr(err)
		}
		return err
	}
	count := 0
	for _, w := range batch {
		count += len(w.sent)
	}
	all := make([]redis.Cmder, 0, count)
	for _, w := range batch {
		if !w.confirmed {
			all = appendCommands(all, w.sent)
		}
	}
	return roundTrip(ctx, conn, all)
}

func appendCommands(all []redis.Cmder, commands []*redis.Cmd) []redis.Cmder {
	for _, command := range commands {
		all = append(all, command)
	}
	return all
}

// roundTrip sends commands in one write and reads their replies. The error is
// that of the connection.
func roundTrip(ctx context.Context, conn *redis.Conn, commands []redis.Cmder) error {
	if len(commands) == 0 {
		return nil
	}
	pipe := conn.Pipeline()
	if err := pipe.BatchProcess(ctx, commands...); err != nil {
		return err
	}
	// Interrupted by closing the client: go-redis does not look at ctx while it waits.
	_, err := pipe.Exec(context.WithoutCancel(ctx))
	if !isRefusal(err) {
		return err
	}
	if slices.ContainsFunc(commands, func(command redis.Cmder) bool { return command.Err() != nil }) {
		return nil
	}
	// The connection was refused, a login, say: nothing was sent, and go-redis does not tell the commands.
	for _, command := range commands {
		command.SetErr(err)
	}
	return err
}

// confirm finds the writes of a batch that were carried out by a try whose reply
// got lost: a result is stored and told once.
func confirm(ctx context.Context, conn *redis.Conn, batch []*write) error {
	var unsure []*write
	var questions []redis.Cmder
	for _, w := range batch {
		if w.landed != nil && w.unanswered {
			asked := w.landed(ctx)
			unsure, questions = append(unsure, w), appendCommands(questions, asked)
		}
	}
	if err := roundTrip(ctx, conn, questions); err != nil {
		return err
	}
	for _, question := range questions {
		if err := question.Err(); err != nil && !isNowhere(err) {
			return err // loading, for example: it is asked again
		}
	}
	for i, w := range unsure {
		w.confirmed = isNowhere(questions[2*i].Err()) && isOne(questions[2*i+1])
		if w.confirmed {
			confirmBefore(w, batch)
		}
	}
	return nil
}

// isNowhere tells of an answer to LPOS that the task is not there, be it because there is no list.
func isNowhere(err error) bool { return errors.Is(err, redis.Nil) || isWrongType(err) }

// confirmBefore keeps what went before a result, in the same order, from following it: after a
// final status nothing is told of a task any more.
func confirmBefore(last *write, batch []*write) {
	for _, w := range batch {
		if w == last {
			return
		}
		if w.accepts == last.finishes || w.about == last.finishes {
			w.confirmed = true
		}
	}
}

// isOne looks at the reply itself: a connection that breaks afterwards gives its error to all commands
// that were sent with that one.
func isOne(reply redis.Cmder) bool {
	command, ok := reply.(*redis.Cmd)
	return ok && command.Val() == int64(1)
}

// settle tells the outcome of each write, and keeps what is to be sent again.
func (o *outbox) settle(batch []*write, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range batch {
		if w.news {
			o.news--
		}
		w.failure = w.outcome()
		w.unanswered = w.unanswered || !w.answered()
	}
	var again []*write
	for _, w := range batch {
		if w.goesAgain(now, o.patience) {
			again = append(again, o.later(w, batch, now)...)
		}
	}
	for _, w := range again {
		if w.news {
			o.news++
		}
	}
	o.waiting = append(again, o.waiting...)
	if slices.ContainsFunc(batch, (*write).answered) {
		o.movedAt = now
	}
	close(o.moved)
	o.moved = make(chan struct{})
}

// later says when a write goes again, and what is told in its place meanwhile.
func (o *outbox) later(w *write, batch []*write, now time.Time) []*write {
	if isRefusal(w.failure) {
		w.notBefore = now.Add(retryPause(w.failure, o.interval))
		if last := finishing(w, batch); last != nil && last.failure == nil {
			left := w.ended()
			left.since, left.notBefore = w.since, w.notBefore
			return []*write{left}
		}
		if o.isSuperseded(w, batch) {
			return nil
		}
	}
	if w.refused == nil || !becameReplica(w.failure) {
		return []*write{w}
	}
	instead := w.refused()
	w.refused = nil
	return []*write{w, instead}
}

// finishing is the write that finishes the task which another shows; nil if there is none.
func finishing(first *write, writes []*write) *write {
	if first.accepts == "" {
		return nil
	}
	at := slices.IndexFunc(writes, func(w *write) bool { return w.finishes == first.accepts })
	if at < 0 {
		return nil
	}
	return writes[at]
}

// watch notes whether Redis takes what it is sent. A connection that broke is
// given up, and one to a replica: the leader may be another machine now.
func (o *outbox) watch(client *redis.Client, batch []*write, lost error) {
	failure := lost
	for _, w := range batch {
		if !w.confirmed { // else it was not sent
			o.health.permissions(w.sent)
		}
		if failure == nil && !w.news {
			failure = w.outcome()
		}
	}
	switch {
	case failure != nil:
		o.health.failed(writing, failure)
	case !o.troubled():
		o.health.worked(writing)
	}
	if lost != nil || becameReplica(failure) {
		o.link.drop(client)
	}
}

// troubled tells whether something waits that Redis has refused before.
func (o *outbox) troubled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.waiting, func(w *write) bool { return w.failure != nil && !w.gaveUp })
}
