package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// cases are the rows of the table; what there is nothing to measure of stays empty.
func (s *stage) cases() []measurement {
	rows := []measurement{
		{"Redis: PING round trip", s.ping},
		{"limit: os/exec alone, stdout a pipe, 8 at once", s.execLimit(false)},
		{"limit: os/exec alone, a step's pipes, 8 at once", s.execLimit(true)},
		{"limit: os/exec and bare commands, 8 outstanding", s.tasks(s.bare[0], "noop", 8)},
		{"limit: own runner and bare commands, 8 outstanding", s.tasks(s.bare[1], "noop", 8)},
		{"limit: these and the journal, 8 outstanding", s.tasks(s.bare[2], "noop", 8)},
		{"limit: bare commands, no step, 1 outstanding", s.tasks(s.bare[3], "noop", 1)},
		{"limit: bare commands, no step, 32 outstanding", s.tasks(s.bare[3], "noop", 32)},
		{"limit: these and the journal, 1 outstanding", s.tasks(s.bare[4], "noop", 1)},
		{"limit: these and the journal, 32 outstanding", s.tasks(s.bare[4], "noop", 32)},
		{"other: asynq, in-process handler, 32 at once", s.asynq},
	}
	rows = append(rows,
		measurement{"no journal: external no-op, 8 outstanding", s.tasks(s.forget[1], "noop", 8)},
		measurement{"no journal: compiled-in no-op, 1 outstanding", s.tasks(s.forget[0], "noop", 1)},
		measurement{"no journal: compiled-in no-op, 8 outstanding", s.tasks(s.forget[0], "noop", 8)},
		measurement{"no journal: compiled-in no-op, 32 outstanding", s.tasks(s.forget[0], "noop", 32)},
	)
	for _, outstanding := range []int{1, 8, 32} {
		rows = append(rows, measurement{fmt.Sprintf("external no-op, %d outstanding", outstanding), s.tasks(s.external, "noop", outstanding)})
	}
	for _, outstanding := range []int{1, 8, 32} {
		rows = append(rows, measurement{fmt.Sprintf("compiled-in no-op, %d outstanding", outstanding), s.tasks(s.compiled, "noop", outstanding)})
	}
	for _, outstanding := range []int{1, 8, 32} {
		rows = append(rows, measurement{fmt.Sprintf("repeatable: compiled-in no-op, %d outstanding", outstanding), s.tasks(s.compiled, "again", outstanding)})
	}
	return append(rows,
		measurement{"repeatable: external no-op, 8 outstanding", s.tasks(s.external, "again", 8)},
		measurement{"repeatable: external no-op, 32 outstanding", s.tasks(s.external, "again", 32)},
		measurement{"a queue of 20,000, as asynq's: compiled-in no-op", s.drain(s.compiled, "noop")},
		measurement{"repeatable: a queue of 20,000: compiled-in no-op", s.drain(s.compiled, "again")},
		measurement{"list-actions, 1 outstanding", s.tasks(s.compiled, "list-actions", 1)},
		measurement{"list-actions, 32 outstanding", s.tasks(s.compiled, "list-actions", 32)},
		measurement{"ten external steps, 8 outstanding", s.tasks(s.external, "ten", 8)},
		measurement{"ten compiled-in steps, 8 outstanding", s.tasks(s.compiled, "ten", 8)},
	)
}

// tasks measures an action with a number of tasks outstanding.
func (s *stage) tasks(agent *agentProcess, action string, outstanding int) func(context.Context, time.Duration) (result, error) {
	return func(ctx context.Context, period time.Duration) (r result, err error) {
		d, err := newDriver(ctx, s.address, agent.id, action)
		if err != nil {
			return r, err
		}
		defer func() { report(d.close()) }()
		if _, err = d.run(ctx, outstanding, period/10); err != nil { // warm up
			return r, err
		}
		before, err := agent.cpu()
		if err != nil {
			return r, err
		}
		began := time.Now()
		latencies, err := d.run(ctx, outstanding, period)
		took := time.Since(began)
		if err != nil {
			return r, err
		}
		after, err := agent.cpu()
		if err != nil {
			return r, err
		}
		r.rate = float64(len(latencies)) / took.Seconds()
		r.p50, r.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
		r.cpu = (after - before) / time.Duration(len(latencies))
		r.memory, err = agent.memory()
		return r, err
	}
}

func (s *stage) ping(ctx context.Context, period time.Duration) (result, error) {
	client := redis.NewClient(&redis.Options{Addr: s.address, PoolSize: 1})
	defer func() { report(client.Close()) }()
	var latencies []time.Duration
	for end := time.Now().Add(period / 2); time.Now().Before(end); {
		began := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			return result{}, err
		}
		latencies = append(latencies, time.Since(began))
	}
	slices.Sort(latencies)
	return result{
		rate: float64(len(latencies)) / (period / 2).Seconds(),
		p50:  latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
	}, nil
}
