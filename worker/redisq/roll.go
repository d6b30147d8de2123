package redisq

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// roll is what is known of other agents that were given the same id.
type roll struct {
	beats int
	seen  map[string]sign // by instance
}

// sign is the last that was seen of another instance.
type sign struct {
	beat  string
	since time.Time // when it was first seen
}

// goneBeats is how many signs another instance has to miss before its tasks are
// settled, and goneTime how long that takes at least.
const (
	goneBeats = 3
	goneTime  = 3 * time.Second
)

// AnswerRoll shows that this instance lives, until ctx ends, and looks for
// others of the same id: one whose signs have ended, such as an agent whose
// state directory was lost, leaves tasks that nobody would settle otherwise.
func (t *Tasks) AnswerRoll(ctx context.Context) {
	ticker := time.NewTicker(t.opt.PollingInterval)
	defer ticker.Stop()
	for {
		if err := t.answer(ctx, time.Now()); err != nil {
			t.opt.Log.Debugf("sign of life: %v", err) // the queue reports what is wrong
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (t *Tasks) answer(ctx context.Context, now time.Time) error {
	key := instancesKey(t.opt.Agent)
	t.presence.beats++
	pipe := t.outbox.link.get().Pipeline()
	pipe.HSet(ctx, key, t.opt.Instance, fmt.Sprint(now.Unix(), "/", t.presence.beats))
	pipe.Expire(ctx, key, resultTTL)
	all := pipe.HGetAll(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for _, instance := range t.presence.gone(all.Val(), t.opt.Instance, now, max(goneTime, goneBeats*t.opt.PollingInterval)) {
		if err := t.inherit(ctx, instance); err != nil {
			return err
		}
	}
	return nil
}

// gone names the others whose sign has not changed for some time.
func (r *roll) gone(beats map[string]string, self string, now time.Time, patience time.Duration) []string {
	seen := make(map[string]sign, len(beats))
	var gone []string
	for instance, beat := range beats {
		if instance == self {
			continue
		}
		last, known := r.seen[instance]
		if !known || last.beat != beat {
			last = sign{beat: beat, since: now}
		}
		seen[instance] = last
		if now.Sub(last.since) > patience {
			gone = append(gone, instance)
		}
	}
	r.seen = seen
	return gone
}

// inherit has the tasks that an instance has left handed out, and strikes it
// off when there are none.
func (t *Tasks) inherit(ctx context.Context, instance string) error {
	list := inProgressKey(t.opt.Agent, instance)
	client := t.outbox.link.get()
	payloads, err := client.LRange(ctx, list, 0, -1).Result()
	if err != nil {
		return fmt.Errorf("look for tasks of an agent that is gone: %w", err)
	}
	if len(payloads) == 0 {
		return client.HDel(ctx, instancesKey(t.opt.Agent), instance).Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, payload := range slices.Backward(payloads) {
		if !t.knows(list, payload) {
			t.strays = append(t.strays, stray{payload: payload, list: list})
		}
	}
	return nil
}

// knows tells whether a task of another list is being seen to; the caller holds
// the lock.
func (t *Tasks) knows(list, payload string) bool {
	return t.held[payload].count > 0 ||
		slices.Contains(t.strays, stray{payload: payload, list: list})
}
