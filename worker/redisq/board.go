package redisq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// Accept implements [worker.Board]. A task that could not be accepted has not
// been started: it may be given back, or handed out again.
func (t *Tasks) Accept(ctx context.Context, task worker.Task) error {
	err := t.accept(ctx, task)
	if err != nil {
		t.release(string(task.Payload))
	}
	return err
}

func (t *Tasks) accept(ctx context.Context, task worker.Task) error {
	masked, err := mask(task.Payload)
	if err != nil {
		return err
	}
	return t.again(ctx, "accept task", func(client *redis.Client) error {
		pipe := client.Pipeline()
		pipe.Set(ctx, t.key(task, "context"), masked, t.expire())
		pipe.Publish(ctx, t.channel(task), message(worker.Progress{Status: worker.Pending}))
		_, err := pipe.Exec(ctx)
		return err
	})
}

// Report implements [worker.Board].
func (t *Tasks) Report(ctx context.Context, task worker.Task, p worker.Progress) error {
	return t.board.get().Publish(ctx, t.channel(task), message(p)).Err()
}

// Heartbeat implements [worker.Board].
func (t *Tasks) Heartbeat(ctx context.Context, task worker.Task, p worker.Progress) error {
	pipe := t.board.get().Pipeline()
	pipe.Expire(ctx, t.key(task, "context"), t.expire())
	pipe.Publish(ctx, t.channel(task), message(p))
	_, err := pipe.Exec(ctx)
	return err
}

// Finish implements [worker.Board].
//
// A task whose result is not stored stays held as long as this agent lives: it
// has run, so that it must be neither given back nor handed out again.
func (t *Tasks) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	err := t.finish(ctx, task, result)
	var refused *refusedError
	if err == nil || errors.As(err, &refused) {
		t.release(string(task.Payload))
	}
	return err
}

// finish stores a result. When Redis has become a replica, which can store
// nothing, the final status is published there, for a client that waits on this
// very node; the result goes to the leader's Redis as soon as the agent's
// address leads there, within the life of the task's context.
func (t *Tasks) finish(ctx context.Context, task worker.Task, result worker.Result) error {
	environment := t.environment(result)
	told := false
	return t.again(ctx, "store result", func(client *redis.Client) error {
		err := t.store(ctx, client, task, result, environment)
		if redis.IsReadOnlyError(err) && !told {
			told = true
			result.Held = nil // nothing comes after the final status
			err = errors.Join(err, client.Publish(ctx, t.channel(task), message(result.Final)).Err())
		}
		return err
	})
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

// store writes the result in one transaction, and the last reports with it in
// the same write; those of a large result inside of the transaction.
func (t *Tasks) store(ctx context.Context, client *redis.Client, task worker.Task, result worker.Result, environment map[string]string) error {
	pipe := client.Pipeline()
	small := len(result.Output)+len(result.Error)+len(task.Payload) <= smallResult
	if small {
		t.publishHeld(ctx, pipe, task, result)
	}
	pipe.Do(ctx, "multi")
	if !result.Builtin {
		t.mirror(ctx, pipe, environment)
	}
	pipe.Do(ctx, "set", t.key(task, "output"), result.Output, "ex", int(resultTTL.Seconds()))
	pipe.Do(ctx, "set", t.key(task, "error"), result.Error, "ex", int(resultTTL.Seconds()))
	pipe.Do(ctx, "set", t.key(task, "exit_code"), result.ExitCode, "ex", int(resultTTL.Seconds()))
	if !result.Builtin {
		pipe.Do(ctx, "expire", t.key(task, "context"), int(resultTTL.Seconds()))
	}
	for _, event := range result.Announcements {
		pipe.Do(ctx, "publish", event.Channel, event.Payload)
	}
	pipe.Do(ctx, "lrem", inProgressKey(t.opt.Agent), 1, task.Payload)
	if !small {
		t.publishHeld(ctx, pipe, task, result)
	}
	pipe.Do(ctx, "publish", t.channel(task), message(result.Final))
	exec := pipe.Do(ctx, "exec")
	if _, err := pipe.Exec(ctx); err != nil {
		return transactionError(err, exec)
	}
	return replyErrors(exec)
}

func (t *Tasks) publishHeld(ctx context.Context, pipe redis.Pipeliner, task worker.Task, result worker.Result) {
	for _, report := range result.Held {
		pipe.Do(ctx, "publish", t.channel(task), message(report))
	}
}

func (t *Tasks) mirror(ctx context.Context, pipe redis.Pipeliner, environment map[string]string) {
	key := environmentKey(t.opt.Agent)
	pipe.Do(ctx, "del", key)
	if len(environment) == 0 {
		return
	}
	hset := []any{"hset", key}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		hset = append(hset, name, environment[name])
	}
	pipe.Do(ctx, hset...)
}

// transactionError prefers the error of the command that was refused to the
// EXECABORT that follows from it: pipe.Exec returns the first.
func transactionError(err error, exec *redis.Cmd) error {
	if exec.Err() == nil {
		return replyErrors(exec)
	}
	return err
}

// replyErrors finds commands that failed inside of a transaction which was carried out.
func replyErrors(exec *redis.Cmd) error {
	replies, err := exec.Slice()
	if err != nil {
		return err
	}
	var failures []error
	for _, reply := range replies {
		if failure, ok := reply.(error); ok {
			failures = append(failures, failure)
		}
	}
	return errors.Join(failures...)
}

// message is the JSON form of a progress; it cannot fail to be encoded.
func message(p worker.Progress) string {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Sprintf(`{"status":%q,"progress":%d}`, p.Status, p.Percent)
	}
	return string(text)
}
