package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"cluster-agent/internal/cli"
	"cluster-agent/worker/redisq"
)

// exitUnfinished is the exit code of a wait that ended before the task did; it is
// that of timeout(1).
const exitUnfinished = 124

// unfinished says that the task goes on, or will.
func unfinished(err error) error { return cli.CodedError{Code: exitUnfinished, Err: err} }

// awaited is a task that was given and is waited for.
type awaited struct {
	client *redisq.Client
	ticket *redisq.Ticket
	o      runOptions
	show   *progressLine
}

// waitFor waits for the outcome; if it is interrupted, it cancels the task and
// waits for what that comes to.
func waitFor(ctx context.Context, env *environment, o runOptions, client *redisq.Client, ticket *redisq.Ticket) (redisq.Outcome, error) {
	w := awaited{client: client, ticket: ticket, o: o, show: newProgressLine(env.Stderr, o.verbose)}
	defer w.show.end()
	defer w.watch(ctx)()
	limited, stop := withLimit(ctx, o.timeout)
	defer stop()
	outcome, err := ticket.Wait(limited, w.show.update)
	switch {
	case err == nil:
		return outcome, nil
	case ctx.Err() != nil:
		return w.interrupted(context.WithoutCancel(ctx))
	case errors.Is(err, context.DeadlineExceeded):
		return outcome, unfinished(fmt.Errorf("task %s has not ended within %s; it goes on", ticket.ID, o.timeout))
	}
	return outcome, fmt.Errorf("wait for task %s: %w", ticket.ID, err)
}

// withLimit bounds ctx; 0 is no limit.
func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// watch looks for the agent until stop is called, if that is wanted.
func (w *awaited) watch(ctx context.Context) (stop func()) {
	if w.o.idleTime == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	watcher := watcher{client: w.client, agent: w.o.agent, maxIdle: w.o.maxIdle(), say: w.show.say}
	var watching sync.WaitGroup
	watching.Go(func() { watcher.run(ctx) })
	return func() { cancel(); watching.Wait() }
}

// interrupted cancels the task and waits for the outcome, if there is somebody to
// hear of it. A second interruption ends the process, see interruptible.
func (w *awaited) interrupted(ctx context.Context) (redisq.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, cancelTime)
	defer cancel()
	if err := wantAlive(ctx, w.client, w.o); err != nil {
		return redisq.Outcome{}, unfinished(fmt.Errorf("task %s stays with its agent, and is not cancelled: %w", w.ticket.ID, err))
	}
	if err := cancelTask(ctx, w.client, w.o.agent, w.ticket.ID); err != nil {
		return redisq.Outcome{}, unfinished(err)
	}
	outcome, err := w.ticket.Wait(ctx, w.show.update)
	if errors.Is(err, context.DeadlineExceeded) {
		return outcome, unfinished(fmt.Errorf("task %s was told to end, and has not within %s", w.ticket.ID, cancelTime))
	}
	if err != nil {
		return outcome, fmt.Errorf("wait for task %s: %w", w.ticket.ID, err)
	}
	return outcome, nil
}

func cancelTask(ctx context.Context, client *redisq.Client, agent, id string) error {
	data, err := json.Marshal(map[string]string{"task": id})
	if err != nil {
		return fmt.Errorf("cancel task %s: %w", id, err)
	}
	ticket, err := client.Submit(ctx, redisq.Order{Agent: agent, Action: "cancel-task", Data: data, User: taskUser})
	if err != nil {
		return fmt.Errorf("cancel task %s: %w", id, err)
	}
	return ticket.Close()
}
