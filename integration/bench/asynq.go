package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// asynq fills a queue of asynq's and measures how fast its server empties it.
func (s *stage) asynq(ctx context.Context, period time.Duration) (result, error) {
	options := asynq.RedisClientOpt{Addr: s.address, DB: 1}
	client := asynq.NewClient(options)
	const tasks = 20000
	for i := range tasks {
		if _, err := client.EnqueueContext(ctx, asynq.NewTask("noop", nil)); err != nil {
			return result{}, fmt.Errorf("enqueue task %d: %w", i, err)
		}
	}
	if err := client.Close(); err != nil {
		return result{}, err
	}
	var done atomic.Int64
	finished := make(chan struct{})
	server := asynq.NewServer(options, asynq.Config{Concurrency: 32, LogLevel: asynq.FatalLevel})
	began := time.Now()
	err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if done.Add(1) == tasks {
			close(finished)
		}
		return nil
	}))
	if err != nil {
		return result{}, err
	}
	defer server.Shutdown()
	select {
	case <-finished:
		return result{rate: tasks / time.Since(began).Seconds()}, nil
	case <-time.After(20*period + time.Minute):
		return result{}, fmt.Errorf("asynq did %d of %d tasks", done.Load(), tasks)
	}
}
