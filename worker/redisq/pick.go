package redisq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

const picking = "taking tasks out of the middle of the queue"

// Ahead implements [worker.Queue].
func (t *Tasks) Ahead(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	client, done := t.look(ctx)
	defer done()
	t.mu.Lock()
	from := t.ahead
	t.mu.Unlock()
	task, found, to, err := t.pick(ctx, client, from, wanted, t.moveSoon)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ahead = to
	return task, found, err
}

// Withdraw implements [worker.Queue].
func (t *Tasks) Withdraw(ctx context.Context, wanted func(worker.Task) bool) (task worker.Task, found bool, err error) {
	err = t.insist(ctx, "withdraw a task", func(client *redis.Client) error {
		var failure error
		task, found, _, failure = t.pick(ctx, client, place{}, wanted, t.tryMove)
		return failure
	})
	return task, found, err
}

// Holds implements [worker.Queue].
func (t *Tasks) Holds(ctx context.Context, wanted func(worker.Task) bool) (held bool, err error) {
	if t.isHeld(wanted) { // it may be on its way into that list
		return true, nil
	}
	err = t.insist(ctx, "look for a task in progress", func(client *redis.Client) error {
		payloads, failure := client.LRange(ctx, t.own, 0, -1).Result()
		held = slices.ContainsFunc(payloads, func(payload string) bool { return isWanted(payload, wanted) })
		return failure
	})
	return held, err
}

func isWanted(payload string, wanted func(worker.Task) bool) bool {
	task, undecodable := worker.DecodeTask([]byte(payload))
	return undecodable == nil && wanted(task)
}

// insist looks until that is done or ctx ends.
func (t *Tasks) insist(ctx context.Context, what string, look func(*redis.Client) error) error {
	for {
		client, done := t.look(ctx)
		err := look(client)
		done()
		if err == nil || ctx.Err() != nil {
			return err
		}
		t.opt.Log.Debugf("%s: %v", what, err)
		pause(ctx, retryPause(err, t.opt.PollingInterval))
	}
}

// pick takes the oldest wanted task behind a place in the queue. It returns how far it has looked.
func (t *Tasks) pick(
	ctx context.Context, client *redis.Client, at place, wanted func(worker.Task) bool, move mover,
) (worker.Task, bool, place, error) {
	for {
		payloads, now, err := t.behind(ctx, client, at)
		if err != nil {
			return worker.Task{}, false, at, fmt.Errorf("look at the queue: %w", err)
		}
		at = now
		for _, payload := range payloads {
			task, err := worker.DecodeTask([]byte(payload))
			if err == nil && wanted(task) && !t.isKnown(task) {
				moved, err := t.move(ctx, client, payload, move)
				t.health.permission(picking, err)
				if moved || err != nil {
					return task, moved, at, err
				}
				continue // it is gone
			}
			at = at.after(payload)
		}
		if len(payloads) < lookAtOnce {
			return worker.Task{}, false, at, nil
		}
	}
}

// mover takes a payload out of the queue's middle; false if it is gone.
type mover func(ctx context.Context, client *redis.Client, payload string) (moved bool, err error)

// move takes a payload out of the queue's middle; false if it is gone.
func (t *Tasks) move(ctx context.Context, client *redis.Client, payload string, move mover) (moved bool, err error) {
	t.moving.Lock()
	t.hold(payload, t.epoch())
	moved, err = move(ctx, client, payload)
	t.moving.Unlock()
	if err != nil {
		defer t.beSuspicious() // what was held meanwhile may have hidden a stray
	}
	if err != nil && !isRefusal(err) {
		moved, err = t.wasMoved(ctx, payload)
	}
	if !moved {
		t.release(payload)
	}
	if err != nil {
		return false, fmt.Errorf("take a task out of the queue: %w", err)
	}
	return moved, nil
}

// wasMoved finds out, until ctx ends, whether a payload stands in progress that is held, after a move that got
// no answer. It cannot be left to be found there by the next fetch, which waits for a slot: a task may
// not give up its slot before this one has run.
func (t *Tasks) wasMoved(ctx context.Context, payload string) (moved bool, err error) {
	err = t.insist(ctx, "look whether a task was taken out of the queue", func(client *redis.Client) error {
		payloads, failure := client.LRange(ctx, t.own, 0, -1).Result()
		same := slices.DeleteFunc(payloads, func(other string) bool { return other != payload })
		moved = t.taken(payload) <= len(same)
		return failure
	})
	return moved && err == nil, err
}

// How often a busy queue may get in the way of taking a task out of its middle: of any, and of one
// that may as well be handed out twice.
const (
	moveTries     = 100
	moveSoonTries = 5
)

func (t *Tasks) tryMove(ctx context.Context, client *redis.Client, payload string) (bool, error) {
	return t.tryMoveTimes(ctx, client, payload, moveTries)
}

// moveSoon goes on without a watch when others push all the time.
func (t *Tasks) moveSoon(ctx context.Context, client *redis.Client, payload string) (bool, error) {
	moved, err := t.tryMoveTimes(ctx, client, payload, moveSoonTries)
	if errors.Is(err, redis.TxFailedErr) {
		return t.moveUnwatched(ctx, client, payload)
	}
	return moved, err
}

func (t *Tasks) tryMoveTimes(ctx context.Context, client *redis.Client, payload string, times int) (moved bool, err error) {
	for range times {
		if moved, err = t.moveWatched(ctx, client, payload); !errors.Is(err, redis.TxFailedErr) {
			break
		}
	}
	return moved, err
}

// moveUnwatched puts a payload in progress even if somebody else takes it in the same moment, and
// takes it back then. An agent that dies before that will hand it out once more. That can only be another
// agent of this id: while this one fetches, which it seldom does when it looks ahead, it does not move.
func (t *Tasks) moveUnwatched(ctx context.Context, client *redis.Client, payload string) (moved bool, err error) {
	if !t.fetching.TryLock() {
		return false, redis.TxFailedErr
	}
	defer t.fetching.Unlock()
	var removed *redis.IntCmd
	if _, err = client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		removed = pipe.LRem(ctx, queueKey(t.opt.Agent), -1, payload)
		pipe.LPush(ctx, t.own, payload)
		return nil
	}); err != nil || removed.Val() == 1 {
		return err == nil, err
	}
	return false, client.LRem(ctx, t.own, 1, payload).Err()
}

// moveWatched fails with [redis.TxFailedErr] if anything happens to the queue while it is under way.
// To watch it and to look for the payload take one write, so that this is as short as it can be. Whether the
// list in progress is one has to be known before: a transaction goes on after a command that fails.
func (t *Tasks) moveWatched(ctx context.Context, client *redis.Client, payload string) (moved bool, err error) {
	queue := queueKey(t.opt.Agent)
	err = client.Watch(ctx, func(tx *redis.Tx) error {
		if _, gone := tx.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Do(ctx, "watch", queue)
			pipe.LLen(ctx, t.own)
			pipe.LPos(ctx, queue, payload, redis.LPosArgs{Rank: -1})
			return nil
		}); gone != nil {
			return gone
		}
		_, failure := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.LRem(ctx, queue, -1, payload)
			pipe.LPush(ctx, t.own, payload)
			return nil
		})
		return failure
	})
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}
