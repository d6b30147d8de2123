package node

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A question of which nothing is heard is asked again beside it; the first answer counts,
// and nothing is left running.
func TestFirst(t *testing.T) {
	t.Parallel()
	errLate := errors.New("no answer")
	for name, c := range map[string]struct {
		answers []time.Duration // after which each try ends; negative: with an error
		want    int             // which try's answer counts; -1: none
		err     error
		took    time.Duration
	}{
		"the first":          {[]time.Duration{10 * time.Millisecond}, 0, nil, 10 * time.Millisecond},
		"the first, late":    {[]time.Duration{50 * time.Millisecond, time.Hour}, 0, nil, 50 * time.Millisecond},
		"the second":         {[]time.Duration{time.Hour, 10 * time.Millisecond}, 1, nil, 50 * time.Millisecond},
		"the third":          {[]time.Duration{time.Hour, time.Hour, time.Millisecond}, 2, nil, 121 * time.Millisecond},
		"none":               {[]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}, -1, context.DeadlineExceeded, 300 * time.Millisecond},
		"an error ends it":   {[]time.Duration{-10 * time.Millisecond}, -1, errLate, 10 * time.Millisecond},
		"an error, of later": {[]time.Duration{time.Hour, -10 * time.Millisecond}, -1, errLate, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				var tries atomic.Int64
				began := time.Now()
				got, err := first(ctx, func(ctx context.Context) (int, error) {
					try := int(tries.Add(1)) - 1
					after := c.answers[try]
					select {
					case <-ctx.Done():
						return -1, ctx.Err()
					case <-time.After(max(after, -after)):
					}
					if after < 0 {
						return -1, errLate
					}
					return try, nil
				})
				if got != c.want || !errors.Is(err, c.err) || time.Since(began) != c.took {
					t.Errorf("try %d, %v, after %v", got, err, time.Since(began))
				}
			})
		})
	}
}
