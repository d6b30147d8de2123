package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// backlog is how many tasks wait when an agent, or a server of asynq, is let loose on them.
const backlog = 20_000

// drain measures how fast an agent works off a queue that is there already, while no
// client takes processor time: as many tasks are under way as the agent has slots.
func (s *stage) drain(agent *agentProcess, action string) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, _ time.Duration) (r result, err error) {
		client := redis.NewClient(&redis.Options{Addr: s.address, PoolSize: 1})
		defer func() { report(client.Close()) }()
		if err = agent.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return r, err
		}
		ids, err := pushBacklog(ctx, client, agent.id, action)
		if err != nil {
			return r, err
		}
		before, err := agent.cpu()
		if err != nil {
			return r, err
		}
		began := time.Now()
		if err = agent.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return r, err
		}
		if err = awaitResults(ctx, client, ids); err != nil {
			return r, err
		}
		r.rate = float64(len(ids)) / time.Since(began).Seconds()
		after, err := agent.cpu()
		if err != nil {
			return r, err
		}
		r.cpu = (after - before) / time.Duration(len(ids))
		r.memory, err = agent.memory()
		return r, err
	}
}

// pushBacklog fills an agent's queue, and returns the keys of the exit codes that there will be.
func pushBacklog(ctx context.Context, client *redis.Client, agent, action string) ([]string, error) {
	prefix := time.Now().Format("drain-150405.000000-")
	pipe := client.Pipeline()
	codes := make([]string, backlog)
	for i := range codes {
		id := fmt.Sprintf("%s%d", prefix, i)
		codes[i] = fmt.Sprintf("task/%s/%s/exit_code", agent, id)
		pipe.LPush(ctx, agent+"/tasks", `{"id":"`+id+`","action":"`+action+`","data":{}}`)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("fill the queue of %s: %w", agent, err)
	}
	return codes, nil
}

// awaitResults returns when there is a result of each task: the last one is looked for
// first, which takes next to no time of Redis.
func awaitResults(ctx context.Context, client *redis.Client, codes []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for _, keys := range [][]string{codes[len(codes)-1:], codes} {
		for {
			there, err := client.Exists(ctx, keys...).Result()
			if err != nil {
				return fmt.Errorf("look for results: %w", err)
			}
			if int(there) == len(keys) {
				break
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return fmt.Errorf("wait for the results of %d tasks: %w", len(codes), ctx.Err())
			}
		}
	}
	return nil
}
