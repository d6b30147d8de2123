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

// heldQueue hands out no task before mayTake returns: an old leader that comes back has
// tasks that the new one's agents have run.
type heldQueue struct {
	worker.Queue

	mayTake func(context.Context)
	open    atomic.Bool
}

// Next implements [worker.Queue].
func (q *heldQueue) Next(ctx context.Context, room int) (worker.Task, error) {
	if !q.open.Load() {
		q.mayTake(ctx)
		if err := ctx.Err(); err != nil {
			return worker.Task{}, err
		}
		q.open.Store(true)
	}
	return q.Queue.Next(ctx, room)
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
	limited, cancel := context.WithTimeout(ctx, heldTime)
	defer cancel()
	said := false
	for {
		err := machine.Overtaken(ctx)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		waiting := limited
		if errors.Is(err, node.ErrOvertaken) {
			waiting = ctx
			if !said {
				said = true
				log.Warnf("%v: no tasks are taken", err)
			}
		}
		if wait.For(waiting, heldInterval) {
			continue
		}
		if ctx.Err() == nil {
			log.Warnf("whether another node leads could not be found out within %s, tasks are taken: %v", heldTime, err)
		}
		return
	}
}
