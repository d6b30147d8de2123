package redisq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// mark is how far the queue has been looked through by Ahead. New tasks are
// pushed at the one end, while others are taken from the other.
type mark struct {
	length int // of the queue, when it was looked at
	taken  int // tasks that were taken from it since
}

// lookAtOnce is how many payloads of the queue are read at a time.
const lookAtOnce = 128

// Ahead implements [worker.Queue].
func (t *Tasks) Ahead(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	client, done := t.look(ctx)
	defer done()
	t.mu.Lock()
	before := t.ahead
	t.mu.Unlock()
	length, err := client.LLen(ctx, queueKey(t.opt.Agent)).Result()
	if err != nil {
		return worker.Task{}, false, fmt.Errorf("look at the queue: %w", err)
	}
	t.mu.Lock()
	fresh := int(length) - t.ahead.length + t.ahead.taken
	if fresh < 0 {
		fresh = int(length) // it is another queue
	}
	// What was taken meanwhile may be in that length, or not: to look at too many is harmless.
	meanwhile := t.ahead.taken - before.taken
	before.taken = t.ahead.taken
	t.ahead = mark{length: int(length), taken: meanwhile}
	t.mu.Unlock()

	task, found, err := t.pick(ctx, client, min(fresh, int(length)), wanted)
	if found || err != nil { // there may be more
		t.mu.Lock()
		t.ahead = mark{length: before.length, taken: before.taken + t.ahead.taken - meanwhile}
		t.mu.Unlock()
	}
	return task, found, err
}

// Withdraw implements [worker.Queue]. Whatever is in the way it waits out.
func (t *Tasks) Withdraw(ctx context.Context, id string) (worker.Task, bool, error) {
	for {
		task, found, err := t.withdraw(ctx, id)
		if err == nil || ctx.Err() != nil {
			return task, found, err
		}
		t.opt.Log.Debugf("withdraw a task: %v", err) // the queue says so, too
		pause(ctx, retryPause(err, t.opt.PollingInterval))
	}
}

func (t *Tasks) withdraw(ctx context.Context, id string) (worker.Task, bool, error) {
	client, done := t.look(ctx)
	defer done()
	length, err := client.LLen(ctx, queueKey(t.opt.Agent)).Result()
	if err != nil {
		return worker.Task{}, false, fmt.Errorf("look at the queue: %w", err)
	}
	task, found, err := t.pick(ctx, client, int(length), func(task worker.Task) bool { return task.ID == id })
	if found {
		t.mu.Lock()
		t.ahead.taken++
		t.mu.Unlock()
	}
	return task, found, err
}

// pick takes the oldest wanted one of the tasks that were pushed last.
func (t *Tasks) pick(ctx context.Context, client *redis.Client, last int, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	for end := last; end > 0; end -= lookAtOnce {
		start := max(0, end-lookAtOnce)
		payloads, err := client.LRange(ctx, queueKey(t.opt.Agent), int64(start), int64(end-1)).Result()
		if err != nil {
			return worker.Task{}, false, fmt.Errorf("look at the queue: %w", err)
		}
		for _, payload := range slices.Backward(payloads) {
			task, err := worker.DecodeTask([]byte(payload))
			if err != nil || !wanted(task) || t.isKnown(task) {
				continue
			}
			if moved, err := t.move(ctx, client, payload); moved || err != nil {
				return task, moved, err
			}
		}
	}
	return worker.Task{}, false, nil
}

// moveTries is how often a busy queue may get in the way of taking a task out of
// its middle.
const moveTries = 100

// move takes a payload out of the queue's middle; false if it is gone. After an
// error it may have been moved all the same: then it is handed out as a stray.
func (t *Tasks) move(ctx context.Context, client *redis.Client, payload string) (moved bool, err error) {
	t.moving.Lock()
	defer t.moving.Unlock()
	t.hold(payload, t.epoch())
	for range moveTries {
		if moved, err = t.tryMove(ctx, client, payload); !errors.Is(err, redis.TxFailedErr) {
			break
		}
	}
	if !moved {
		t.release(payload)
	}
	if err != nil {
		t.beSuspicious()
		return false, fmt.Errorf("take a task out of the queue: %w", err)
	}
	return moved, nil
}

func (t *Tasks) tryMove(ctx context.Context, client *redis.Client, payload string) (moved bool, err error) {
	queue := queueKey(t.opt.Agent)
	err = client.Watch(ctx, func(tx *redis.Tx) error {
		if gone := tx.LPos(ctx, queue, payload, redis.LPosArgs{}).Err(); gone != nil {
			return gone
		}
		_, failure := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.LRem(ctx, queue, -1, payload)
			pipe.LPush(ctx, t.own, payload)
			return nil
		})
		return failure
	}, queue)
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}
