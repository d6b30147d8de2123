package main

import (
	"context"
	"errors"
	"io/fs"
	"sync"
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
	mu      sync.Mutex
	open    bool
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
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open {
		return nil
	}
	q.mayTake(ctx)
	q.open = ctx.Err() == nil
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
