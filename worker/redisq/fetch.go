package redisq

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// Next implements [worker.Queue].
func (t *Tasks) Next(ctx context.Context, room int) (worker.Task, error) {
	for ctx.Err() == nil {
		taken, err := t.take(ctx, room)
		switch {
		case err == nil:
			// Even if ctx has ended meanwhile: the task has been taken.
			t.health.worked(reading)
			task, ours, undecodable := t.receive(ctx, taken)
			t.received()
			if ours || undecodable != nil {
				return task, undecodable
			}
		case errors.Is(err, redis.Nil):
			t.health.worked(reading)
		case ctx.Err() != nil:
			t.beSuspicious()
		default:
			t.lost(ctx, err)
		}
	}
	return worker.Task{}, ctx.Err()
}

// receive makes a task of what was taken; false if it is not to be run.
func (t *Tasks) receive(ctx context.Context, taken stray) (_ worker.Task, ours bool, err error) {
	task, undecodable := worker.DecodeTask([]byte(taken.payload))
	if undecodable != nil {
		t.discard(ctx, taken)
		return worker.Task{}, false, undecodable
	}
	foreign := taken.list != t.own
	if foreign && !t.isStillLeft(ctx, taken, task) {
		return worker.Task{}, false, nil
	}
	if t.dropReturned(ctx, taken) || t.wasRestored(ctx, taken, task) {
		return worker.Task{}, false, nil
	}
	t.hold(taken.payload, taken.epoch)
	if task.Foreign = foreign; foreign {
		t.mu.Lock()
		t.foreign[task.Key] = taken.list
		t.mu.Unlock()
	}
	return task, true, nil
}

// discard has what is no task forgotten. If it stays in progress, it is found there again.
func (t *Tasks) discard(ctx context.Context, taken stray) {
	t.hold(taken.payload, taken.epoch)
	defer t.release(taken.payload)
	if err := t.outbox.deliver(ctx, t.forget(taken)); err != nil {
		t.opt.Log.Debugf("forget what is no task: %v", err)
	}
}

const looking = "looks at what is in progress"

// take finds one payload to hand out: a stray one first, else the next of the queue.
func (t *Tasks) take(ctx context.Context, room int) (stray, error) {
	// go-redis does not interrupt a command when ctx ends: its connection has to be closed.
	client, conn := t.fetch.take()
	defer context.AfterFunc(ctx, func() { t.fetch.drop(client) })()
	err := t.checkInProgress(ctx, conn)
	t.health.permission(looking, err)
	if err != nil {
		return stray{}, err
	}
	if first, ok := t.stray(); ok {
		return first, nil
	}
	if t.isSuspect() {
		return stray{}, redis.Nil // somebody let go of a task meanwhile: look once more
	}
	if err = t.fetchMore(ctx, conn, room); err != nil {
		return stray{}, err
	}
	if t.isSuspect() {
		return stray{}, redis.Nil // it is another connection, or was late: look first at what is in progress
	}
	if first, ok := t.stray(); ok {
		return first, nil
	}
	return stray{}, redis.Nil
}

// fetchMore waits for a task, and takes with it as many as are expected and as
// there is room for. What is asked for in vain costs Redis next to nothing; a
// round trip costs more.
func (t *Tasks) fetchMore(ctx context.Context, conn *redis.Conn, room int) error {
	queue := queueKey(t.opt.Agent)
	ctx = context.WithoutCancel(ctx)
	epoch, asked := t.epoch(), wallTime()
	pipe := conn.Pipeline()
	replies := []*redis.Cmd{pipe.Do(ctx, "blmove", queue, t.own, "right", "left", fractions(t.patience(time.Now())))}
	for len(replies) < min(room, t.expected()) {
		replies = append(replies, pipe.Do(ctx, "lmove", queue, t.own, "right", "left"))
	}
	runtime.Gosched() // so that what was handed out can begin first
	t.fetching.Lock()
	_, err := pipe.Exec(ctx)
	t.fetching.Unlock()
	t.health.permissions(replies)
	if refusal := firstRefusal(replies); refusal != nil {
		err = refusal // which comes before the end of the connection
	}
	if err != nil && !errors.Is(err, redis.Nil) { // what was taken all the same is found in progress
		return fmt.Errorf("take tasks from %s into %s: %w", queue, t.own, err)
	}
	t.bring(replies, asked, epoch)
	return nil
}

// firstRefusal is the first of some replies that is one.
func firstRefusal(replies []*redis.Cmd) error {
	for _, reply := range replies {
		if err := reply.Err(); isRefusal(err) && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// bring has what a fetch brought handed out. If the agent was stopped meanwhile, another one of that
// id may have settled it: then only what still stands in progress is.
func (t *Tasks) bring(replies []*redis.Cmd, asked time.Time, epoch int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := isSilence(wallTime().Sub(asked), t.opt.PollingInterval)
	t.fetched = 0
	for _, reply := range replies {
		payload, ok := reply.Val().(string)
		if !ok {
			continue
		}
		t.fetched++
		if late {
			t.suspect = true
			continue
		}
		t.strays = append(t.strays, stray{payload: payload, list: t.own, fetched: true, epoch: epoch})
	}
	t.fetched = max(1, t.fetched)
}

// expected is twice as many tasks as came the last time.
func (t *Tasks) expected() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return 2 * t.fetched
}

// lost gives up the connection, so that the next one resolves the address
// again: the leader may be another machine now.
func (t *Tasks) lost(ctx context.Context, err error) {
	t.health.failed(reading, err)
	t.fetch.drop(nil)
	t.beSuspicious()
	pause(ctx, retryPause(err, t.opt.PollingInterval))
}

// beSuspicious has the tasks in progress looked at before the next fetch.
func (t *Tasks) beSuspicious() { t.setSuspect(true) }

func (t *Tasks) setSuspect(suspect bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.suspect = suspect
}

// dropReturned has a task that runs already, and came back, not run twice. In
// progress it stands once, as it should: there its result will find it, should
// Redis lose that result.
func (t *Tasks) dropReturned(ctx context.Context, taken stray) bool {
	if !taken.fetched || !t.cameBack(taken.payload) {
		return false
	}
	t.opt.Log.Warn("a task that is in progress came back with the queue of a Redis that had lost it")
	copies := &write{commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{command(ctx, "lpos", taken.list, taken.payload, "count", 0)}
	}}
	err := t.outbox.deliver(ctx, copies)
	if err == nil && length(copies.sent[0]) > t.handedOut(taken.payload) {
		err = t.outbox.deliver(ctx, t.forget(taken))
	}
	if err != nil {
		t.opt.Log.Debugf("forget what came back: %v", err) // ctx has ended: the next life looks
	}
	return true
}

// length is that of a reply that is a list, whatever broke after that.
func length(reply *redis.Cmd) int {
	list, _ := reply.Val().([]any) //nolint:errcheck // none if it is no list
	return len(list)
}

// wasRestored tells whether a task has run and its result is stored again. What
// fails here is looked at again with the next connection.
func (t *Tasks) wasRestored(ctx context.Context, taken stray, task worker.Task) bool {
	restored, err := t.restore(ctx, taken, task)
	if err != nil {
		t.opt.Log.Debugf("%v", err) // ctx has ended, or Redis is a replica
		t.beSuspicious()
		return true
	}
	return restored
}

// forget takes a payload out of the list in progress.
func (t *Tasks) forget(taken stray) *write {
	return &write{commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{command(ctx, "lrem", taken.list, 1, taken.payload)}
	}}
}
