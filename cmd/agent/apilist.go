package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker/redisq"
)

// listAll asks every connected agent for its actions, and returns those that
// begin with prefix, as run takes them: the cluster's without a name before.
func listAll(ctx context.Context, env *environment, prefix string) ([]string, error) {
	var names []string
	err := env.withLocal(func(connection *redis.Client) error {
		client := redisq.NewClient(connection)
		agents, err := client.Agents(ctx, defaultIdleTime)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		var failures []error
		var asked sync.WaitGroup
		for _, agent := range agents {
			asked.Go(func() {
				found, err := actionsOf(ctx, client, agent)
				mu.Lock()
				defer mu.Unlock()
				names = append(names, found...)
				failures = append(failures, err)
			})
		}
		asked.Wait()
		return errors.Join(failures...)
	})
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(names)
	return slices.Compact(names), err
}

func actionsOf(ctx context.Context, client *redisq.Client, agent string) (names []string, err error) {
	ticket, err := client.Submit(ctx, redisq.Order{Agent: agent, Action: "list-actions", User: taskUser})
	if err != nil {
		return nil, explainReplica(err)
	}
	defer func() { err = errors.Join(err, ticket.Close()) }()
	outcome, err := ticket.Wait(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("list actions of agent %s: %w", agent, err)
	}
	if err := json.Unmarshal(outcome.Output, &names); err != nil {
		return nil, fmt.Errorf("list actions of agent %s: %w", agent, err)
	}
	if agent == clusterAgent {
		return names, nil
	}
	for i := range names {
		names[i] = agent + "/" + names[i]
	}
	return names, nil
}
