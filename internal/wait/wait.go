// Package wait pauses work that tries something again.
package wait

import (
	"context"
	"time"
)

// For waits for the time given; false if ctx ended meanwhile.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
