package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

// writePause is the time between two writes of a client. They are to be many, and to leave
// most of the machine to what is measured.
const writePause = 4 * time.Millisecond

// writer is a client that raises a counter and pushes values, each of them once, by turns.
type writer struct {
	client

	key     string
	counter ledger
	list    ledger
	next    int64
}

func newWriter(st *stage, part string, n int) *writer {
	return &writer{client: client{stage: st, seat: n}, key: "failover/" + part + "/writer" + strconv.Itoa(n)}
}

func (w *writer) counterKey() string { return w.key + "/counter" }
func (w *writer) listKey() string    { return w.key + "/list" }

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := writePause
		if w.write(ctx) != nil {
			// Why does not matter: the leader may have changed, or be away.
			pause = refusedTime
			if err := w.drop(); err != nil {
				return err
			}
		}
		wait.For(ctx, pause)
	}
	return w.drop()
}

// write makes one write of each kind. A value whose write failed may have been written all
// the same, and is not used again.
func (w *writer) write(ctx context.Context) error {
	db, err := w.db()
	if err != nil {
		return err
	}
	raised, err := db.Incr(ctx, w.counterKey()).Result()
	if err != nil {
		return err
	}
	w.counter.add(raised, w.of)
	w.next++
	if err = db.RPush(ctx, w.listKey(), w.next).Err(); err == nil {
		w.list.add(w.next, w.of)
	}
	return err
}

// written is what a Redis has of a writer.
type written struct {
	counter int64
	list    []int64
}

func (w *writer) read(ctx context.Context, db *redis.Client) (written, error) {
	var found written
	text, err := db.LRange(ctx, w.listKey(), 0, -1).Result()
	if err != nil {
		return found, fmt.Errorf("read %s: %w", w.listKey(), err)
	}
	for _, t := range text {
		value, bad := strconv.ParseInt(t, 10, 64)
		if bad != nil {
			return found, fmt.Errorf("read %s: %w", w.listKey(), bad)
		}
		found.list = append(found.list, value)
	}
	found.counter, err = db.Get(ctx, w.counterKey()).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return found, fmt.Errorf("read %s: %w", w.counterKey(), err)
	}
	return found, nil
}

// judge holds what was acknowledged against what a Redis has.
func (w *writer) judge(found written, kills []kill) (lost losses, doubled int) {
	lost, doubled = judgeList(w.list.all(), found.list, kills)
	return lost.plus(judgeCounter(w.counter.all(), found.counter, kills)), doubled
}
