package redisq

import (
	"testing"
	"time"
)

// TestStrangers: tasks of another instance count as left when no heartbeat has
// renewed their context for three intervals, or for a quarter of what it had.
func TestStrangers(t *testing.T) {
	t.Parallel()
	const interval = 5 * time.Second
	full := 12 * interval
	falling := func(from time.Duration) func(time.Duration) time.Duration {
		return func(passed time.Duration) time.Duration { return max(0, from-passed) }
	}
	for name, c := range map[string]struct {
		ttl  func(passed time.Duration) time.Duration
		left time.Duration // when it counts as left, at the earliest; 0: never
	}{
		"beats":                {func(time.Duration) time.Duration { return full }, 0},
		"beats more slowly":    {func(passed time.Duration) time.Duration { return full - passed%(2*interval) }, 0},
		"silent":               {falling(full), 4 * interval},
		"has not been shown":   {falling(0), 4 * interval},
		"has longer intervals": {falling(4 * full), 13 * interval},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := strangers{interval: interval}
			task, began := stray{payload: "p", list: "l"}, time.Now()
			var first time.Duration
			for passed := time.Duration(0); passed < 30*interval && first == 0; passed += interval {
				found := map[stray]time.Duration{task: c.ttl(passed)}
				if left := s.left(found, began.Add(passed)); len(left) > 0 {
					first = passed
				}
			}
			if first != c.left {
				t.Fatalf("left after %v, want %v", first, c.left)
			}
		})
	}
}
