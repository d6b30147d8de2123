package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"cluster-agent/internal/wait"
)

func (a *adversary) killRedis(ctx context.Context, f fault) error {
	return a.withoutRedis(ctx, a.server.kill, func() error {
		wait.For(ctx, f.Length)
		return nil
	})
}

// killBoth has the agent begin its life without Redis.
func (a *adversary) killBoth(ctx context.Context, f fault) error {
	return a.withoutRedis(ctx, a.server.kill, func() error {
		wait.For(ctx, f.Length/2)
		err := a.endAgent(syscall.SIGKILL)
		err = errors.Join(err, a.startAgent(ctx))
		wait.For(ctx, f.Length/2)
		return err
	})
}

// power ends all there is, and Redis comes back first.
func (a *adversary) power(ctx context.Context, f fault) error {
	off := func() error {
		return errors.Join(a.agent.process.signal(syscall.SIGKILL), a.server.kill(), a.endAgent(syscall.SIGKILL), killMarked(mark(a.agent.dir)))
	}
	err := a.withoutRedis(ctx, off, func() error {
		wait.For(ctx, f.Length)
		return nil
	})
	return errors.Join(err, a.startAgent(ctx))
}

// empty ends Redis with its data.
func (a *adversary) empty(ctx context.Context, f fault) error {
	vanish := func() error { return a.server.vanish(ctx) }
	return a.withoutRedis(ctx, vanish, func() error {
		a.ledger.lose(nil)
		wait.For(ctx, f.Length)
		return nil
	})
}

// roll has Redis lose its last writes, as the successor of a leader has that had
// not got them yet.
func (a *adversary) roll(ctx context.Context, f fault) error {
	kept := a.ledger.known()
	size, err := a.server.written()
	if err != nil {
		return err
	}
	wait.For(ctx, f.Length)
	vanish := func() error { return a.server.vanish(ctx) }
	return a.withoutRedis(ctx, vanish, func() error {
		a.ledger.lose(kept)
		return a.server.cutOff(size)
	})
}

// withoutRedis ends Redis, does something, and starts it again. The agent gets
// there when the watcher is. Redis comes back even if the run has to end now.
func (a *adversary) withoutRedis(ctx context.Context, end, meanwhile func() error) error {
	ctx = context.WithoutCancel(ctx)
	known, _ := a.watcher.lives()
	if err := end(); err != nil {
		return err
	}
	a.proxy.close()
	if err := meanwhile(); err != nil {
		return err
	}
	if err := a.server.start(ctx); err != nil {
		return err
	}
	listening, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("not within "+startTime.String()))
	defer cancel()
	if err := a.watcher.await(listening, known); err != nil {
		return fmt.Errorf("wait for the watcher: %w", err)
	}
	a.proxy.open()
	return nil
}

// settle lets the agent come to its end: until nothing waits and nothing is in
// progress, or that does not change any more.
func (a *adversary) settle(ctx context.Context) error {
	for range 2 { // a second life might do again what the first has left
		if err := a.revive(ctx); err != nil {
			return err
		}
		a.awaitIdle(ctx)
		if !a.listens(ctx) {
			return context.Cause(ctx)
		}
		if err := errors.Join(a.agent.note("drained"), a.endAgent(syscall.SIGUSR1), a.startAgent(ctx)); err != nil {
			return err
		}
	}
	a.awaitIdle(ctx)
	return nil
}

// idleTime is how long nothing may move while something is left.
const idleTime = 30 * time.Second

func (a *adversary) awaitIdle(ctx context.Context) {
	const pause = 100 * time.Millisecond
	a.ledger.touch()
	for a.ledger.still() < idleTime && wait.For(ctx, pause) {
		left, err := leftBehind(ctx, a.server.client())
		if err == nil && len(left.queued)+len(left.progress) == 0 {
			return
		}
	}
}
