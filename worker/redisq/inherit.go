package redisq

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// Inherit looks, until ctx ends, for tasks that another instance of this agent
// has left behind for good, such as one whose state directory was lost, and has
// them handed out as foreign.
func (t *Tasks) Inherit(ctx context.Context) {
	others := strangers{interval: t.opt.PollingInterval}
	for ctx.Err() == nil {
		found, err := t.foreignTasks(ctx)
		t.health.permission("looks at tasks of other instances", err) // which the queue may not need
		if err != nil {
			t.opt.Log.Debugf("look for tasks of other instances: %v", err) // the queue reports what is wrong
			others.seen = nil                                              // they could not show that they live, either
		} else {
			t.inherit(others.left(found, time.Now()))
		}
		wait := t.opt.PollingInterval
		if len(found) == 0 && err == nil {
			wait = t.expire() // there is nobody else, as always
		}
		pause(ctx, wait)
	}
}

// strangers are the tasks of other instances, by when they were last seen alive.
type strangers struct {
	interval time.Duration
	seen     map[stray]life
}

// life is how long a task's context lives, and since when it was not renewed.
type life struct {
	ends  time.Time // zero: there is no context
	since time.Time
}

// left are the tasks whose context no heartbeat has renewed for three intervals,
// or for a quarter of what it had left, since the other instance may have longer
// intervals.
func (s *strangers) left(found map[stray]time.Duration, now time.Time) []stray {
	const silence = 3
	seen := make(map[stray]life, len(found))
	var left []stray
	for task, ttl := range found {
		present := life{since: now, ends: endOf(ttl, now)}
		if last, known := s.seen[task]; known && !isRenewed(last.ends, present.ends, s.interval) {
			present = last
		}
		seen[task] = present
		if now.Sub(present.since) > max(silence*s.interval, present.ends.Sub(present.since)/4) {
			task.ends = present.ends
			left = append(left, task)
		}
	}
	s.seen = seen
	return left
}

// endOf is when a context with that time to live runs out; zero: there is none.
func endOf(ttl time.Duration, now time.Time) time.Time {
	if ttl <= 0 {
		return time.Time{}
	}
	return now.Add(ttl)
}

// isRenewed tells whether a heartbeat has renewed a context, or somebody has written it.
func isRenewed(before, now time.Time, interval time.Duration) bool {
	return now.Sub(before) >= interval/2
}

// foreignTasks are the tasks in progress of other instances, with how long the
// context of each lives; 0 if there is none.
func (t *Tasks) foreignTasks(ctx context.Context) (map[stray]time.Duration, error) {
	client, done := t.look(ctx)
	defer done()
	if err := t.wantMaster(ctx, client); err != nil {
		t.looks.drop(client)
		return nil, err
	}
	lists, err := t.otherLists(ctx, client)
	if err == nil && len(lists) > 0 {
		err = t.probe(ctx, client)
	}
	if err != nil {
		return nil, err
	}
	found := map[stray]time.Duration{}
	for _, list := range lists {
		if err := t.addTasks(ctx, client, list, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// probe tells whether Redis takes writes: as long as it does not, nobody's
// heartbeats are heard.
func (t *Tasks) probe(ctx context.Context, client *redis.Client) error {
	if err := client.Set(ctx, probeKey(t.opt.Agent), "", time.Second).Err(); err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	return nil
}

// addTasks finds the tasks of one list. What is no task has no context.
func (t *Tasks) addTasks(ctx context.Context, client *redis.Client, list string, found map[stray]time.Duration) error {
	payloads, err := client.LRange(ctx, list, 0, -1).Result()
	if err != nil {
		return fmt.Errorf("list tasks in progress: %w", err)
	}
	for _, payload := range payloads {
		var ttl time.Duration
		if task, undecodable := worker.DecodeTask([]byte(payload)); undecodable == nil {
			if ttl, err = t.contextLife(ctx, client, task); err != nil {
				return err
			}
		}
		found[stray{payload: payload, list: list}] = ttl
	}
	return nil
}

func (t *Tasks) contextLife(ctx context.Context, client *redis.Client, task worker.Task) (time.Duration, error) {
	ttl, err := client.PTTL(ctx, t.key(task, "context")).Result()
	if err != nil {
		return 0, fmt.Errorf("look for a task's context: %w", err)
	}
	return max(0, ttl), nil
}

// scanCount is how many keys Redis looks at for one reply.
const scanCount = 1000

// otherLists are the lists in progress of other instances.
func (t *Tasks) otherLists(ctx context.Context, client *redis.Client) ([]string, error) {
	var others []string
	keys := client.Scan(ctx, 0, inProgressKey(t.opt.Agent, "*"), scanCount).Iterator()
	for keys.Next(ctx) {
		if key := keys.Val(); key != t.own {
			others = append(others, key)
		}
	}
	if err := keys.Err(); err != nil {
		return nil, fmt.Errorf("look for lists of tasks in progress: %w", err)
	}
	return t.onlyLists(ctx, client, others)
}

// onlyLists leaves out the keys that are no lists, which must not keep the tasks of the others from
// being found. One that has vanished is an empty list.
func (t *Tasks) onlyLists(ctx context.Context, client *redis.Client, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	pipe := client.Pipeline()
	types := make([]*redis.StatusCmd, len(keys))
	for i, key := range keys {
		types[i] = pipe.Type(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look whether tasks in progress are in lists: %w", err)
	}
	var lists []string
	for i, key := range keys {
		switch types[i].Val() {
		case "list":
			lists = append(lists, key)
		case "none":
		default:
			t.misfits.tell(key)
		}
	}
	return lists, nil
}

// inherit has tasks of others handed out.
func (t *Tasks) inherit(left []stray) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range left {
		_, settled := t.ended.lately(worker.KeyOf([]byte(s.payload))) // since it was looked for
		if !settled && t.held[s.payload].count == 0 && !t.isStray(s) {
			t.strays = append(t.strays, s)
		}
	}
}

// isStray tells whether a payload waits to be handed out already. The caller holds the lock.
func (t *Tasks) isStray(s stray) bool {
	return slices.ContainsFunc(t.strays, func(o stray) bool { return o.payload == s.payload && o.list == s.list })
}

// isStillLeft looks once more before a task of another instance is handed out: while it waited for
// that, the other one may have gone on, and have settled it or begun it. If that cannot be told, the task is
// found again by Inherit.
func (t *Tasks) isStillLeft(ctx context.Context, s stray, task worker.Task) bool {
	client, done := t.look(ctx)
	defer done()
	if err := client.LPos(ctx, s.list, s.payload, redis.LPosArgs{}).Err(); err != nil {
		return false
	}
	ttl, err := t.contextLife(ctx, client, task) // after that: who settles it writes both
	return err == nil && !isRenewed(s.ends, endOf(ttl, time.Now()), t.opt.PollingInterval)
}
