package redisq

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// checkInProgress looks for tasks in progress that nobody works on: at the
// start, after a lost connection, and when Redis was a replica.
func (t *Tasks) checkInProgress(ctx context.Context, client *redis.Conn) error {
	if !t.isSuspect() {
		return nil
	}
	if err := t.wantMaster(ctx, client); err != nil {
		return err
	}
	t.moving.Lock()
	defer t.moving.Unlock()
	t.setSuspect(false) // before the look: one that comes while it is under way is another one
	epoch := t.epoch()
	payloads, err := t.unheld(ctx, client)
	if err != nil {
		t.beSuspicious()
		return fmt.Errorf("look for tasks in progress in %s: %w", t.own, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookAgain(time.Now())
	t.strays = slices.DeleteFunc(t.strays, func(s stray) bool { return s.list == t.own })
	for _, payload := range payloads {
		t.strays = append(t.strays, stray{payload: payload, list: t.own, epoch: epoch})
	}
	return nil
}

func (t *Tasks) isSuspect() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.suspect || t.looked != t.connection() || len(t.strays) == 0 && t.isDueAgain(time.Now())
}

// stragglerTime is how long what was sent over a connection that is no more may still be under way to
// Redis, when another one has an answer.
const stragglerTime = time.Second

// lookAgain has the list looked at once more a while after each new connection. Redis need not know
// yet that the one before is broken: a fetch that still waits there takes a task that nobody here
// hears of. The caller holds the lock.
func (t *Tasks) lookAgain(now time.Time) {
	switch {
	case t.looked != t.connection():
		t.looked, t.again = t.connection(), now.Add(t.opt.PollingInterval+stragglerTime)
	case t.isDueAgain(now):
		t.again = time.Time{}
	}
}

func (t *Tasks) isDueAgain(now time.Time) bool { return !t.again.IsZero() && !now.Before(t.again) }

// patience is how long a fetch may wait for a task.
func (t *Tasks) patience(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.again.IsZero() {
		return t.opt.PollingInterval
	}
	return min(t.opt.PollingInterval, max(t.again.Sub(now), time.Millisecond)) // 0 would be for ever
}

// wantMaster fails as a write would while Redis is a replica: its list of tasks
// in progress may be out of date then, and is not for us to change.
func (t *Tasks) wantMaster(ctx context.Context, client asker) error {
	role, err := helloRole(ctx, client)
	if err != nil {
		return err
	}
	if role != "master" {
		return errReplica
	}
	return nil
}

// unheld returns the payloads in progress that are not being worked on, the
// oldest first. What is held is noted before the list is read: a task that is
// finished in between is gone from the list, and not taken for a stray.
func (t *Tasks) unheld(ctx context.Context, client redis.Cmdable) ([]string, error) {
	t.mu.Lock()
	held := make(map[string]int, len(t.held))
	for payload, h := range t.held {
		held[payload] = h.count
	}
	t.mu.Unlock()
	payloads, err := client.LRange(ctx, t.own, 0, -1).Result()
	var strays []string
	for _, payload := range slices.Backward(payloads) {
		if held[payload] > 0 {
			held[payload]--
			continue
		}
		strays = append(strays, payload)
	}
	return strays, err
}

// stray is the next to be handed out.
func (t *Tasks) stray() (stray, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.strays) == 0 {
		return stray{}, false
	}
	return t.strays[0], true
}

// received notes that the next one is held now, or is not to be run.
func (t *Tasks) received() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strays = t.strays[1:]
}

// look is the client for looks at lists, whose connections are given up when ctx
// ends: go-redis does not interrupt a command then.
func (t *Tasks) look(ctx context.Context) (client *redis.Client, done func()) {
	client = t.looks.get()
	stop := context.AfterFunc(ctx, func() { t.looks.drop(client) })
	return client, func() { stop() }
}

// Known implements [worker.Queue].
func (t *Tasks) Known(ctx context.Context) (keys map[string]bool, err error) {
	err = t.insist(ctx, "list tasks", func(client *redis.Client) error {
		var failure error
		keys, failure = t.knownKeys(ctx, client)
		return failure
	})
	return keys, err
}

func (t *Tasks) knownKeys(ctx context.Context, client *redis.Client) (map[string]bool, error) {
	if err := t.wantMaster(ctx, client); err != nil {
		t.looks.drop(client)
		return nil, err
	}
	others, err := t.otherLists(ctx, client) // whose tasks may be inherited
	if err != nil {
		return nil, err
	}
	pipe := client.TxPipeline() // no task moves in between
	var lists []*redis.StringSliceCmd
	for _, list := range append(others, queueKey(t.opt.Agent), t.own) {
		lists = append(lists, pipe.LRange(ctx, list, 0, -1))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("list tasks that wait or are in progress: %w", err)
	}
	keys := map[string]bool{}
	for _, list := range lists {
		for _, payload := range list.Val() {
			keys[worker.KeyOf([]byte(payload))] = true
		}
	}
	return keys, nil
}

// Return gives back to the queue what was taken from it and never handed out,
// as the reply to a fetch that was broken off may be. What an earlier life has
// left stays where it is: it may have been started.
func (t *Tasks) Return(ctx context.Context) error {
	t.mu.Lock()
	looked := t.looked > 0
	kept := map[string]int{}
	for _, s := range t.strays {
		if !s.fetched {
			kept[s.payload]++
		}
	}
	t.mu.Unlock()
	if !looked {
		return nil
	}
	payloads, err := t.unheld(ctx, t.outbox.link.get())
	if err != nil {
		return fmt.Errorf("look for tasks to give back: %w", err)
	}
	// The oldest comes back last, and so is the first to be taken again.
	for _, payload := range slices.Backward(payloads) {
		if kept[payload]--; kept[payload] >= 0 {
			continue
		}
		if err := t.giveBack(ctx, payload); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tasks) giveBack(ctx context.Context, payload string) error {
	pipe := t.outbox.link.get().TxPipeline()
	pipe.LRem(ctx, t.own, 1, payload)
	pipe.RPush(ctx, queueKey(t.opt.Agent), payload)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("give a task back: %w", err)
	}
	return nil
}
