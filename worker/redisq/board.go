package redisq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

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
	kept := func(ctx context.Context) []*redis.Cmd { return []*redis.Cmd{t.keepContext(ctx, task, true)} }
	t.outbox.post(&write{accepts: task.Key, ended: func() *write { return &write{commands: kept} }, commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{
			command(ctx, "set", t.key(task, "context"), masked, unit, life),
			command(ctx, "publish", t.channel(task), pending),
		}
	}})
}

// Report implements [worker.Board].
func (t *Tasks) Report(ctx context.Context, task worker.Task, p worker.Progress) {
	t.outbox.tell(ctx, t.news(task, p))
}

// Heartbeat implements [worker.Board].
func (t *Tasks) Heartbeat(ctx context.Context, task worker.Task, p worker.Progress) {
	t.beat(string(task.Payload))
	text := message(p)
	t.outbox.tell(ctx, &write{commands: func(ctx context.Context) []*redis.Cmd {
		return []*redis.Cmd{
			command(ctx, "expire", t.key(task, "context"), wholeSeconds(t.expire())),
			command(ctx, "publish", t.channel(task), text),
		}
	}})
}

// news is one message on a task's progress.
func (t *Tasks) news(task worker.Task, p worker.Progress) *write {
	text := message(p)
	return &write{news: true, commands: func(ctx context.Context) []*redis.Cmd {
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
	environment := t.environment(result)
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
		anew := w.unseen || w.failure != nil || t.wasAway(string(task.Payload))
		return t.transaction(ctx, task, result, environment, anew)
	}
	if err := t.outbox.deliver(ctx, w); err != nil {
		return fmt.Errorf("store result: %w", err)
	}
	if (lapsed || task.Foreign) && w.confirmed {
		return worker.ErrOtherResult
	}
	return nil
}

// environment reads what is mirrored with a result. A file that cannot be read
// is no failure of the task.
func (t *Tasks) environment(result worker.Result) map[string]string {
	if result.Builtin || t.opt.Environment == nil {
		return nil
	}
	variables, err := t.opt.Environment()
	if err != nil {
		t.opt.Log.Warnf("mirror environment: %v", err)
	}
	return variables
}

// smallResult is what Redis reads at once, so that between the last reports and
// the transaction, which follow each other in one write, nobody finds a gap.
const smallResult = 8 << 10

// transaction is all that a result consists of, with the last reports before
// it. A large result is written ahead of them, too: Redis may pass them on before
// it has read the transaction, and who sees 100 % reads the result. anew has the
// context written again, for it may have run out while Redis was away.
func (t *Tasks) transaction(ctx context.Context, task worker.Task, result worker.Result, environment map[string]string, anew bool) []*redis.Cmd {
	commands := make([]*redis.Cmd, 0, 16)
	if size := len(result.Output) + len(result.Error) + len(task.Payload); size > smallResult && len(result.Held) > 0 {
		commands = t.appendResult(ctx, commands, task, result)
	}
	commands = t.appendHeld(ctx, commands, task, result)
	commands = append(commands, command(ctx, "multi"))
	if !result.Builtin {
		commands = t.appendMirror(ctx, commands, environment)
	}
	commands = t.appendResult(ctx, commands, task, result)
	if !result.Builtin {
		commands = append(commands, t.keepContext(ctx, task, anew))
	}
	for _, event := range result.Announcements {
		commands = append(commands, command(ctx, "publish", event.Channel, event.Payload))
	}
	return append(commands,
		command(ctx, "lrem", t.list(task.Key), 1, task.Payload),
		command(ctx, "publish", t.channel(task), message(result.Final)),
		command(ctx, "exec"))
}

func (t *Tasks) appendResult(ctx context.Context, commands []*redis.Cmd, task worker.Task, result worker.Result) []*redis.Cmd {
	life := wholeSeconds(resultTTL)
	return append(commands,
		command(ctx, "set", t.key(task, "output"), result.Output, "ex", life),
		command(ctx, "set", t.key(task, "error"), result.Error, "ex", life),
		command(ctx, "set", t.key(task, "exit_code"), result.ExitCode, "ex", life))
}

// keepContext has the context outlive the task as long as its result does.
func (t *Tasks) keepContext(ctx context.Context, task worker.Task, anew bool) *redis.Cmd {
	key, life := t.key(task, "context"), wholeSeconds(resultTTL)
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

func (t *Tasks) appendMirror(ctx context.Context, commands []*redis.Cmd, environment map[string]string) []*redis.Cmd {
	key := environmentKey(t.opt.Agent)
	commands = append(commands, command(ctx, "del", key))
	if len(environment) == 0 {
		return commands
	}
	hset := []any{"hset", key}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		hset = append(hset, name, environment[name])
	}
	return append(commands, command(ctx, hset...))
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
