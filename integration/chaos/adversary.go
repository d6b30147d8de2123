package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"cluster-agent/internal/wait"
)

// adversary does what the schedule says.
type adversary struct {
	*stage
	say     func(format string, args ...any) // tells of each fault
	began   time.Time
	done    map[faultKind]int
	trouble []string // that is no fault of a task
}

// run carries out all faults, one after another. An error is one of the stage:
// without its parts nothing can be judged.
func (a *adversary) run(ctx context.Context, faults []fault) error {
	for i, f := range faults {
		if err := a.await(ctx, f.After); err != nil {
			return err
		}
		if !wait.For(ctx, f.Delay) {
			return context.Cause(ctx)
		}
		if err := errors.Join(a.revive(ctx), a.agent.note("fault %d: %s", i+1, f)); err != nil {
			return err
		}
		a.say("%7.2f s  fault %3d  %s", time.Since(a.began).Seconds(), i+1, f)
		if err := a.acts()[f.Kind](ctx, f); err != nil {
			return fmt.Errorf("fault %d, %s: %w", i+1, f.Kind, err)
		}
		a.done[f.Kind]++
	}
	return nil
}

// await waits until so many pushes were acknowledged, with an agent that lives.
func (a *adversary) await(ctx context.Context, tasks int) error {
	for {
		acked, more := a.ledger.count()
		if acked >= tasks {
			return nil
		}
		select {
		case <-more:
		case <-a.agent.process.ended:
			if err := a.revive(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// mostTrouble ends a run: an agent that ends again and again tells nothing new.
const mostTrouble = 20

// revive starts an agent again that has ended by itself, which it must not.
func (a *adversary) revive(ctx context.Context) error {
	if !a.agent.process.gone() {
		return nil
	}
	a.complain("the agent (process %d) ended by itself: %v", a.agent.process.pid(), a.agent.process.cmd.ProcessState)
	if len(a.trouble) > mostTrouble {
		return errors.New("the agent ends again and again")
	}
	return a.startAgent(ctx)
}

func (a *adversary) complain(format string, args ...any) {
	a.trouble = append(a.trouble, fmt.Sprintf(format, args...))
}

// acts are how each kind of fault is carried out.
func (a *adversary) acts() map[faultKind]func(context.Context, fault) error {
	return map[faultKind]func(context.Context, fault) error{
		killAgent:  a.endingAgent(syscall.SIGKILL),
		termAgent:  a.endingAgent(syscall.SIGTERM),
		drainAgent: a.drainAgent,
		stopAgent:  func(ctx context.Context, f fault) error { return stopped(ctx, a.agent.process, f.Length) },
		killRedis:  a.killRedis,
		awayRedis:  a.killRedis,
		stopRedis:  func(ctx context.Context, f fault) error { return stopped(ctx, a.server.process, f.Length) },
		killBoth:   a.killBoth,
		power:      a.power,
		cut:        a.cut,
		slow:       a.slow,
		memory:     a.memory,
		replica:    a.replica,
		emptyRedis: a.empty,
		rollRedis:  a.roll,
	}
}

func (a *adversary) endingAgent(signal syscall.Signal) func(context.Context, fault) error {
	return func(ctx context.Context, f fault) error {
		if signal != syscall.SIGKILL && !a.listens(ctx) {
			return context.Cause(ctx)
		}
		if err := a.endAgent(signal); err != nil {
			return err
		}
		wait.For(ctx, f.Length)
		return a.startAgent(ctx)
	}
}

// endAgent ends the agent; one that goes on is killed, and complained of.
func (a *adversary) endAgent(signal syscall.Signal) error {
	err := a.agent.process.end(signal)
	if err == nil {
		return nil
	}
	a.complain("the %v", err)
	return a.agent.process.end(syscall.SIGKILL)
}

func (a *adversary) startAgent(ctx context.Context) error {
	a.proxy.renew()
	return a.agent.start(ctx)
}

// listens waits until the agent has come so far that it heeds signals.
func (a *adversary) listens(ctx context.Context) bool {
	select {
	case <-a.proxy.inUse():
		return true
	case <-a.agent.process.ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// drainAgent lets nobody push, or the agent would go on for ever.
func (a *adversary) drainAgent(ctx context.Context, f fault) error {
	a.pusher.gate.Lock()
	defer a.pusher.gate.Unlock()
	return a.endingAgent(syscall.SIGUSR1)(ctx, f)
}

// stopped stops a process in its tracks for a while.
func stopped(ctx context.Context, process *child, length time.Duration) error {
	err := process.signal(syscall.SIGSTOP)
	wait.For(ctx, length)
	return errors.Join(err, process.signal(syscall.SIGCONT))
}

func (a *adversary) cut(ctx context.Context, f fault) error {
	a.proxy.cutAt(f.Bytes, f.Replies)
	wait.For(ctx, f.Length)
	a.proxy.cutAll()
	return nil
}

func (a *adversary) slow(ctx context.Context, f fault) error {
	release := a.proxy.holdReplies()
	wait.For(ctx, f.Length)
	release()
	return nil
}

// memory lets Redis have less than it uses, so that it refuses to write.
func (a *adversary) memory(ctx context.Context, f fault) error {
	return a.told(ctx, f, []any{"config", "set", "maxmemory", "1"}, []any{"config", "set", "maxmemory", "0"})
}

// replica lets Redis follow a port where nobody answers: its data stay.
func (a *adversary) replica(ctx context.Context, f fault) error {
	return a.told(ctx, f, []any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"})
}

func (a *adversary) told(ctx context.Context, f fault, begin, end []any) error {
	err := a.server.do(ctx, begin...)
	wait.For(ctx, f.Length)
	return errors.Join(err, a.server.do(context.WithoutCancel(ctx), end...))
}
