package main

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/node"
	"cluster-agent/internal/wait"
	"cluster-agent/worker"
)

// heldQueue hands out no task, and tells of none, before mayTake returns: an old leader that
// comes back has tasks that the new one's agents have run, and lacks others.
type heldQueue struct {
	worker.Queue

	mayTake func(context.Context)
	asking  chan struct{} // of size 1: holds who asks; no mutex, whose wait does not end with a context
	open    atomic.Bool
}

func newHeldQueue(queue worker.Queue, mayTake func(context.Context)) *heldQueue {
	return &heldQueue{Queue: queue, mayTake: mayTake, asking: make(chan struct{}, 1)}
}

// Next implements [worker.Queue].
func (q *heldQueue) Next(ctx context.Context, room int) (worker.Task, error) {
	if err := q.await(ctx); err != nil {
		return worker.Task{}, err
	}
	return q.Queue.Next(ctx, room)
}

// Known implements [worker.Queue].
func (q *heldQueue) Known(ctx context.Context) (map[string]bool, error) {
	if err := q.await(ctx); err != nil {
		return nil, err
	}
	return q.Queue.Known(ctx)
}

func (q *heldQueue) await(ctx context.Context) error {
	if q.open.Load() {
		return nil
	}
	select {
	case q.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-q.asking }()
	if q.open.Load() {
		return nil
	}
	q.mayTake(ctx)
	q.open.Store(ctx.Err() == nil)
	return ctx.Err()
}

const (
	heldInterval = time.Second
	// heldTime bounds the wait for a local Redis that does not answer. A node's tasks come
	// from the leader's.
	heldTime = time.Minute
)

// awaitLead waits until no other node is known to lead in this one's place. A machine that
// is no node has nobody to wait for.
func awaitLead(ctx context.Context, machine *node.Machine, log *logrus.Entry) {
	silentSince := time.Now()
	said := false
	for {
		err := machine.Overtaken(ctx)
		overtaken := errors.Is(err, node.ErrOvertaken)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), ctx.Err() != nil:
			return
		case overtaken && !said:
			said = true
			log.Warnf("%v: no tasks are taken", err)
		case !overtaken && time.Since(silentSince) > heldTime:
			log.Warnf("whether another node leads could not be found out within %s, tasks are taken: %v", heldTime, err)
			return
		}
		if overtaken {
			silentSince = time.Now()
		}
		wait.For(ctx, heldInterval)
	}
}
