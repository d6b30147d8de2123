package redisq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
)

// Options says how an agent works with its Redis.
type Options struct {
	Agent           string        // agent id
	Server          Server        // where tasks come from and results go
	PollingInterval time.Duration // longest wait of one BLMOVE, and the heartbeat's period
	// Environment reads the variables that are mirrored to <agent id>/environment.
	Environment func() (map[string]string, error)
	Log         *logrus.Entry
}

// Tasks is an agent's queue and its board in one Redis: a task leaves the list
// in progress in the very transaction that stores its result.
type Tasks struct {
	opt    Options
	health *health

	fetch *link // waits in BLMOVE
	board *link // everything else

	mu     sync.Mutex
	held   map[string]int // payloads handed out and not finished
	strays []string       // payloads in progress that nobody was handed
	check  checkMode      // what to do about tasks in progress before the next fetch
}

var (
	_ worker.Queue = (*Tasks)(nil)
	_ worker.Board = (*Tasks)(nil)
)

// checkMode says what is known of tasks that stand in the list in progress and
// that nobody works on.
type checkMode int

const (
	noCheck    checkMode = iota
	runStrays            // only the reply was lost: they never started
	settleThem           // another life or another machine may have started them
)

// NewTasks returns the queue and board of an agent. Nothing is dialled yet.
func NewTasks(opt Options) *Tasks {
	return &Tasks{
		opt:    opt,
		health: &health{what: "Redis at " + opt.Server.Address, log: opt.Log},
		fetch:  &link{server: opt.Server, size: 1},
		board:  &link{server: opt.Server, size: boardConnections},
		held:   map[string]int{},
		check:  settleThem,
	}
}

// boardConnections is enough for pipelines that take well under a millisecond each.
const boardConnections = 8

// Reconnect drops all connections: the next ones resolve the address again.
func (t *Tasks) Reconnect() {
	t.fetch.drop(nil)
	t.board.drop(nil)
}

// Close ends all connections.
func (t *Tasks) Close() error {
	return errors.Join(t.fetch.close(), t.board.close())
}

// Next implements [worker.Queue].
func (t *Tasks) Next(ctx context.Context) (worker.Task, error) {
	for ctx.Err() == nil {
		payload, err := t.fetchOne(ctx)
		switch {
		case err == nil:
			// Even if ctx has ended meanwhile: the task has been taken.
			t.health.worked()
			return t.decode(ctx, payload)
		case errors.Is(err, redis.Nil):
			t.health.worked()
		case ctx.Err() != nil:
			t.suspect(runStrays)
		default:
			t.lost(ctx, err)
		}
	}
	return worker.Task{}, ctx.Err()
}

// fetchOne takes one payload: a stray one first, else the next of the queue.
func (t *Tasks) fetchOne(ctx context.Context) (string, error) {
	// go-redis does not interrupt a command when ctx ends: its connection has to be closed.
	client := t.fetch.get()
	defer context.AfterFunc(ctx, func() { t.fetch.drop(client) })()
	if err := t.checkInProgress(ctx, client); err != nil {
		return "", err
	}
	if payload, ok := t.stray(); ok {
		return payload, nil
	}
	payload, err := client.BLMove(context.WithoutCancel(ctx), queueKey(t.opt.Agent), inProgressKey(t.opt.Agent),
		"RIGHT", "LEFT", t.opt.PollingInterval).Result()
	if err != nil {
		return "", err
	}
	t.hold(payload)
	return payload, nil
}

// lost gives up the connection, so that the next one resolves the address
// again: the leader may be another machine now.
func (t *Tasks) lost(ctx context.Context, err error) {
	t.health.failed(err)
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

// retryPause is how long to wait after a failure: short while a connection is
// down, longer while Redis is a replica, which a worker's may be for months.
func retryPause(err error, interval time.Duration) time.Duration {
	const short, long = 100 * time.Millisecond, 500 * time.Millisecond
	if redis.IsReadOnlyError(err) {
		return min(long, interval/2)
	}
	return min(short, interval)
}

func (t *Tasks) decode(ctx context.Context, payload string) (worker.Task, error) {
	task, err := worker.DecodeTask([]byte(payload))
	if err == nil {
		return task, nil
	}
	// A payload that stays in progress is forgotten by the next life.
	if rerr := t.board.get().LRem(context.WithoutCancel(ctx), inProgressKey(t.opt.Agent), 1, payload).Err(); rerr != nil {
		t.health.failed(rerr)
	}
	t.release(payload)
	return worker.Task{}, err
}

func (t *Tasks) hold(payload string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held[payload]++
}

func (t *Tasks) release(payload string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[payload]--; t.held[payload] <= 0 {
		delete(t.held, payload)
	}
}

// expire is the life of a task's context without a heartbeat.
func (t *Tasks) expire() time.Duration { return contextBeats * t.opt.PollingInterval }

func (t *Tasks) key(task worker.Task, part string) string {
	return taskKey(t.opt.Agent, task.ID, part)
}

func (t *Tasks) channel(task worker.Task) string {
	return progressChannel(t.opt.Agent, task.ID)
}

// refusedError ends the tries to write to a Redis that is a replica.
type refusedError struct{ error }

// Unwrap returns what Redis said.
func (e *refusedError) Unwrap() error { return e.error }

// again repeats try until it works or ctx ends. A replica is given up when a
// task's context would have expired: its tasks are another machine's by then.
func (t *Tasks) again(ctx context.Context, what string, try func(*redis.Client) error) error {
	deadline := time.Now().Add(t.expire())
	for {
		client := t.board.get()
		err := try(client)
		if err == nil {
			t.health.worked()
			return nil
		}
		if redis.IsReadOnlyError(err) && time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, &refusedError{err})
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		t.health.failed(err)
		t.board.drop(client)
		if !pause(ctx, retryPause(err, t.opt.PollingInterval)) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
