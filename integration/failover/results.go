package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

// awaitResults reads exit codes until each acknowledged task has one, or ctx ends, which is
// no error: what is missing then is lost. Where a leader was killed some may never come, and
// nothing new for some seconds is the end.
func awaitResults(ctx context.Context, db *redis.Client, tasks []task, results map[string]string, killed bool) error {
	const pause, patience = 200 * time.Millisecond, 15 * time.Second
	for news := time.Now(); ; {
		before := len(results)
		missing, err := readResults(ctx, db, tasks, results)
		if err != nil || missing == 0 {
			return err
		}
		if len(results) > before {
			news = time.Now()
		}
		if killed && time.Since(news) > patience || !wait.For(ctx, pause) {
			return nil
		}
	}
}

// readResults looks for those that are not there yet, and counts the acknowledged tasks that
// have none.
func readResults(ctx context.Context, db *redis.Client, tasks []task, results map[string]string) (missing int, err error) {
	for _, t := range tasks {
		if _, known := results[t.ID]; known {
			continue
		}
		code, err := db.Get(ctx, t.resultKey()).Result()
		switch {
		case err == nil:
			results[t.ID] = code
		case !errors.Is(err, redis.Nil) && ctx.Err() == nil:
			return missing, fmt.Errorf("read the result of task %s: %w", t.ID, err)
		case t.Acked:
			missing++
		}
	}
	return missing, nil
}
