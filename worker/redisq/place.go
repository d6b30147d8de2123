package redisq

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// place is one in the queue, counted from the end where the oldest task is: there tasks that are pushed meanwhile
// do not matter. Those that are taken do, whoever takes them: so the payload that stands before the place tells
// whether it is the place still.
type place struct {
	seen int    // how many stand before it
	last string // the youngest of these
}

// after is the place behind the next payload.
func (p place) after(payload string) place { return place{seen: p.seen + 1, last: payload} }

// lookAtOnce is how many payloads of the queue are read at a time.
const lookAtOnce = 128

// behind reads what stands behind a place, the oldest first, and says where that place is now.
func (t *Tasks) behind(ctx context.Context, client *redis.Client, at place) ([]string, place, error) {
	payloads, err := t.fromEnd(ctx, client, max(at.seen-1, 0), at.seen+lookAtOnce)
	if err != nil || at.seen == 0 {
		return payloads, at, err
	}
	if len(payloads) > 0 && payloads[0] == at.last {
		return payloads[1:], at, nil
	}
	// Some were taken. If that goes on, or these were many, all are looked at again.
	from := max(at.seen-lookAtOnce, 0)
	payloads, err = t.fromEnd(ctx, client, from, at.seen+lookAtOnce)
	if err != nil {
		return nil, at, err
	}
	if last := slices.Index(payloads, at.last); last >= 0 {
		payloads = payloads[last+1:]
		return payloads[:min(len(payloads), lookAtOnce)], place{seen: from + last + 1, last: at.last}, nil
	}
	payloads, err = t.fromEnd(ctx, client, 0, lookAtOnce)
	return payloads, place{}, err
}

// fromEnd reads a part of the queue, counted from its old end.
func (t *Tasks) fromEnd(ctx context.Context, client *redis.Client, from, to int) ([]string, error) {
	payloads, err := client.LRange(ctx, queueKey(t.opt.Agent), int64(-to), int64(-from-1)).Result()
	slices.Reverse(payloads)
	return payloads, err
}
