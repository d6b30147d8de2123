package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is the pause between two looks at something that cannot notify. Looking
// costs little: a read of a file, or one round trip on loopback.
const pollInterval = 20 * time.Millisecond

// Until calls cond, at once and then with a pause of interval between two calls, until it
// returns nil. When ctx ends first, the error names both what ended and what cond missed.
func Until(ctx context.Context, interval time.Duration, cond func(ctx context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		missing := cond(ctx)
		if missing == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", missing, context.Cause(ctx))
		}
	}
}

// forEach runs f for every item at the same time and joins the errors.
func forEach[T any](items []T, f func(T) error) error {
	errs := make(chan error, len(items))
	for _, item := range items {
		go func() { errs <- f(item) }()
	}
	all := make([]error, 0, len(items))
	for range items {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}
