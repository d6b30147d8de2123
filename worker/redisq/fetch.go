package redisq

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// Next implements [worker.Queue].
func (t *Tasks) Next(ctx context.Context, room int) (worker.Task, error) {
	for ctx.Err() == nil {
		payload, err := t.take(ctx, room)
		switch {
		case err == nil:
			// Even if ctx has ended meanwhile: the task has been taken.
			t.health.worked(reading)
			return t.decode(ctx, payload)
		case errors.Is(err, redis.Nil):
			t.health.worked(reading)
		case ctx.Err() != nil:
			t.suspect(runStrays)
		default:
			t.lost(ctx, err)
		}
	}
	return worker.Task{}, ctx.Err()
}

// take hands out one payload: a stray one first, else the next of the queue.
func (t *Tasks) take(ctx context.Context, room int) (string, error) {
	// go-redis does not interrupt a command when ctx ends: its connection has to be closed.
	client := t.fetch.get()
	defer context.AfterFunc(ctx, func() { t.fetch.drop(client) })()
	if err := t.checkInProgress(ctx, client); err != nil {
		return "", err
	}
	if payload, ok := t.stray(); ok {
		return payload, nil
	}
	if err := t.fetchMore(ctx, client, room); err != nil {
		return "", err
	}
	if payload, ok := t.stray(); ok {
		return payload, nil
	}
	return "", redis.Nil
}

// fetchMore waits for a task, and takes with it as many as are expected and as
// there is room for. What is asked for in vain costs Redis next to nothing; a
// round trip costs more.
func (t *Tasks) fetchMore(ctx context.Context, client *redis.Client, room int) error {
	queue, inProgress := queueKey(t.opt.Agent), inProgressKey(t.opt.Agent)
	ctx = context.WithoutCancel(ctx)
	pipe := client.Pipeline()
	replies := []*redis.Cmd{pipe.Do(ctx, "blmove", queue, inProgress, "right", "left", fractions(t.opt.PollingInterval))}
	for len(replies) < min(room, t.expected()) {
		replies = append(replies, pipe.Do(ctx, "lmove", queue, inProgress, "right", "left"))
	}
	_, err := pipe.Exec(ctx)
	if refusal := replies[0].Err(); isRefusal(refusal) && !errors.Is(refusal, redis.Nil) {
		err = refusal // which comes before the end of the connection
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return err // what was taken all the same is found in progress
	}
	var payloads []string
	for _, reply := range replies {
		if payload, ok := reply.Val().(string); ok {
			payloads = append(payloads, payload)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetched = max(1, len(payloads))
	t.strays = append(t.strays, payloads...)
	return nil
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
	if becameReplica(err) {
		t.suspect(settleThem)
	} else {
		t.suspect(runStrays)
	}
	pause(ctx, retryPause(err, t.opt.PollingInterval))
}

// suspect has the tasks in progress looked at before the next fetch.
func (t *Tasks) suspect(mode checkMode) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.check = max(t.check, mode)
}

func (t *Tasks) decode(ctx context.Context, payload string) (worker.Task, error) {
	task, err := worker.DecodeTask([]byte(payload))
	if err == nil {
		return task, nil
	}
	// A payload that stays in progress is forgotten by the next life.
	if rerr := t.outbox.deliver(ctx, t.forget(payload)); rerr != nil {
		t.opt.Log.Debugf("forget what is no task: %v", rerr)
	}
	t.release(payload)
	return worker.Task{}, err
}

// forget takes a payload out of the list in progress.
func (t *Tasks) forget(payload string) *write {
	return &write{commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{command(ctx, "lrem", inProgressKey(t.opt.Agent), 1, payload)}
	}}
}
