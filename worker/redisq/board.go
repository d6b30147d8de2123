package redisq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// Accept implements [worker.Board].
func (t *Tasks) Accept(_ context.Context, task worker.Task) {
	masked, err := mask(task.Payload)
	if err != nil {
		t.opt.Log.Errorf("task/%s/%s: not shown to others: %v", t.opt.Agent, task.ID, err) // it was decoded once
		return
	}
	t.show(string(task.Payload))
	pending := message(worker.Progress{Status: worker.Pending})
	unit, life := ttl(t.expire())
	kept := func(ctx context.Context) []*redis.Cmd { return []*redis.Cmd{t.keepContext(ctx, task, true, resultTTL)} }
	w := &write{accepts: task.Key, ended: func() *write { return &write{commands: kept} }}
	told := false
	w.commands = func(ctx context.Context) []*redis.Cmd {
		shown := command(ctx, "set", t.key(task, "context"), masked, unit, life)
		// What was told once, although the context was refused, is not told again, after "running".
		if told = told || len(w.sent) == 2 && w.sent[1].Val() != nil; told {
			return []*redis.Cmd{shown}
		}
		return []*redis.Cmd{shown, command(ctx, "publish", t.channel(task), pending)}
	}
	t.outbox.post(w)
}

// Report implements [worker.Board].
func (t *Tasks) Report(ctx context.Context, task worker.Task, p worker.Progress) {
	t.outbox.tell(ctx, t.news(task, p))
}

// Heartbeat implements [worker.Board].
func (t *Tasks) Heartbeat(ctx context.Context, task worker.Task, p worker.Progress) {
	t.beat(string(task.Payload))
	text := message(p)
	t.outbox.tell(ctx, &write{about: task.Key, size: len(task.Payload), commands: func(ctx context.Context) []*redis.Cmd {
		alive := t.keepContext(ctx, task, t.contextLost(string(task.Payload)), t.expire())
		return []*redis.Cmd{alive, command(ctx, "publish", t.channel(task), text)}
	}})
}

// news is one message on a task's progress.
func (t *Tasks) news(task worker.Task, p worker.Progress) *write {
	text := message(p)
	return &write{news: true, about: task.Key, commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{command(ctx, "publish", t.channel(task), text)}
	}}
}

// Finish implements [worker.Board].
//
// A task whose result is not stored stays held as long as this agent lives: it
// has run, so that it must be neither given back nor handed out again. When Redis
// stays a replica it is given up, and handed out again when Redis is a master.
func (t *Tasks) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	if task.Payload == nil {
		return t.finishByName(ctx, task, result)
	}
	err := t.finish(ctx, task, result)
	away := t.cameBack(string(task.Payload))
	settled := err == nil || errors.Is(err, worker.ErrOtherResult)
	var refused *refusedError
	if err == nil {
		t.remember(task, result)
	}
	if settled {
		t.forgetForeign(task)
	}
	if settled || errors.As(err, &refused) {
		t.release(string(task.Payload))
	}
	if errors.As(err, &refused) || away { // it may have come back when its result was stored already
		t.beSuspicious()
	}
	return err
}

// finishByName stores the result of a task that Redis has lost from its lists,
// unless it has that result.
func (t *Tasks) finishByName(ctx context.Context, task worker.Task, result worker.Result) error {
	stored, err := t.hasResult(ctx, task)
	if err == nil && stored {
		err = worker.ErrOtherResult
	}
	if err == nil {
		err = t.finish(ctx, task, result)
	}
	if err == nil {
		t.remember(task, result) // the next Redis may have it in its lists
	}
	return err
}

// hasResult asks Redis whether it has a task's result.
func (t *Tasks) hasResult(ctx context.Context, task worker.Task) (bool, error) {
	question := &write{commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{command(ctx, "exists", t.key(task, "exit_code"))}
	}}
	if err := t.outbox.deliver(ctx, question); err != nil {
		return false, fmt.Errorf("ask whether there is a result: %w", err)
	}
	return isOne(question.sent[0]), nil
}

// finish stores a result. Redis may have become a replica, which can store
// nothing: the result goes to the leader's as soon as the agent's address leads
// there. If that was the task's doing, its final status is published on the
// replica, for a client that waits on this very node.
func (t *Tasks) finish(ctx context.Context, task worker.Task, result worker.Result) error {
	mirror := t.mirror(result)
	list := t.list(task.Key)
	lapsed := t.hasLapsed(string(task.Payload))
	w := &write{
		finishes:   task.Key,
		size:       len(result.Output) + len(result.Error) + len(task.Payload),
		unanswered: lapsed || t.wasAway(string(task.Payload)),
		landed: func(ctx context.Context) []*redis.Cmd {
			return []*redis.Cmd{
				command(ctx, "lpos", list, task.Payload),
				command(ctx, "exists", t.key(task, "exit_code")),
			}
		},
	}
	if result.OnReplica {
		w.refused = func() *write {
			result.Held = nil // nothing comes after the final status
			return t.news(task, result.Final)
		}
	}
	w.commands = func(ctx context.Context) []*redis.Cmd {
		return t.transaction(ctx, task, result, mirror, try{
			anew:    w.unseen || w.failure != nil || t.wasAway(string(task.Payload)),
			refused: isRefusal(w.failure),
		})
	}
	if err := t.outbox.deliver(ctx, w); err != nil {
		return fmt.Errorf("store result: %w", err)
	}
	for command, err := range w.failures {
		if wasInVain(command, err) {
			t.misfits.tell(list)
		}
	}
	if (lapsed || task.Foreign) && w.confirmed {
		return worker.ErrOtherResult
	}
	return nil
}

// mirror makes what mirrors the environment with a result. A file that cannot be read is no
// failure of the task, and leaves what was mirrored before.
func (t *Tasks) mirror(result worker.Result) func(context.Context) []*redis.Cmd {
	if result.Builtin {
		return nothing
	}
	var variables map[string]string
	if t.opt.Environment != nil {
		var err error
		variables, err = t.opt.Environment()
		if err != nil && !errors.Is(err, ErrNotMirrored) {
			t.opt.Log.Warnf("mirror environment: %v", err)
		}
		if err != nil {
			return nothing
		}
	}
	return func(ctx context.Context) []*redis.Cmd { return t.mirrored(ctx, variables) }
}

func nothing(context.Context) []*redis.Cmd { return nil }

// try is one of those to store a result.
type try struct {
	anew    bool // the context is to be written again: it may have run out while Redis was away
	refused bool // Redis has refused the last one, and told the reports before it
}

// smallResult is what Redis reads at once, so that between the last reports and
// the transaction, which follow each other in one write, nobody finds a gap.
const smallResult = 8 << 10

// transaction is all that a result consists of, with the last reports before it: who sees 100 %
// reads the result. Those reports are part of the transaction if the result is large, so that Redis
// could pass them on before it has read the rest, and once Redis has refused the transaction.
func (t *Tasks) transaction(
	ctx context.Context, task worker.Task, result worker.Result, mirror func(context.Context) []*redis.Cmd, now try,
) []*redis.Cmd {
	commands := make([]*redis.Cmd, 0, 16)
	heldInside := now.refused || len(result.Output)+len(result.Error)+len(task.Payload) > smallResult
	if !heldInside {
		commands = t.appendHeld(ctx, commands, task, result)
	}
	commands = append(commands, command(ctx, "multi"))
	commands = append(commands, mirror(ctx)...)
	life := wholeSeconds(resultTTL)
	commands = append(commands,
		command(ctx, "set", t.key(task, "output"), result.Output, "ex", life),
		command(ctx, "set", t.key(task, "error"), result.Error, "ex", life),
		command(ctx, "set", t.key(task, "exit_code"), result.ExitCode, "ex", life))
	if !result.Builtin {
		commands = append(commands, t.keepContext(ctx, task, now.anew, resultTTL))
	}
	if heldInside {
		commands = t.appendHeld(ctx, commands, task, result)
	}
	for _, event := range result.Announcements {
		commands = append(commands, command(ctx, "publish", event.Channel, event.Payload))
	}
	return append(commands,
		command(ctx, "lrem", t.list(task.Key), 1, task.Payload),
		command(ctx, "publish", t.channel(task), message(result.Final)),
		command(ctx, "exec"))
}

// keepContext gives the context a time to live: after the task's end as long as its result has.
func (t *Tasks) keepContext(ctx context.Context, task worker.Task, anew bool, ttl time.Duration) *redis.Cmd {
	key, life := t.key(task, "context"), wholeSeconds(ttl)
	if anew && task.Payload != nil {
		if masked, err := mask(task.Payload); err == nil {
			return command(ctx, "set", key, masked, "ex", life)
		}
	}
	return command(ctx, "expire", key, life)
}

func (t *Tasks) appendHeld(ctx context.Context, commands []*redis.Cmd, task worker.Task, result worker.Result) []*redis.Cmd {
	for _, report := range result.Held {
		commands = append(commands, command(ctx, "publish", t.channel(task), message(report)))
	}
	return commands
}

func (t *Tasks) mirrored(ctx context.Context, environment map[string]string) []*redis.Cmd {
	key := environmentKey(t.opt.Agent)
	cleared := command(ctx, "del", key)
	if len(environment) == 0 {
		return []*redis.Cmd{cleared}
	}
	hset := []any{"hset", key}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		hset = append(hset, name, environment[name])
	}
	return []*redis.Cmd{cleared, command(ctx, hset...)}
}

// command makes one that belongs to no call: it may be sent more than once.
func command(ctx context.Context, words ...any) *redis.Cmd { return redis.NewCmd(ctx, words...) }

// message is the JSON form of a progress, as it is published.
func message(p worker.Progress) []byte {
	text := make([]byte, 0, 48)
	text = append(text, `{"status":"`...)
	text = append(text, p.Status...)
	text = append(text, `","progress":`...)
	text = strconv.AppendInt(text, int64(p.Percent), 10)
	return append(text, '}')
}
