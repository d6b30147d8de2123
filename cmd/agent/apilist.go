package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker/redisq"
)

// listTime is what an agent may take to say what actions it has.
const listTime = 10 * time.Second

// listAll asks every connected agent for its actions, and returns those that
// begin with prefix, as run takes them: the cluster's without a name before.
// Agents that cannot have any are not asked.
func listAll(ctx context.Context, env *environment, prefix string) ([]string, error) {
	var names []string
	err := env.withLocal(func(connection *redis.Client) error {
		client := redisq.NewClient(connection)
		agents, err := client.Agents(ctx, defaultIdleTime)
		if err != nil {
			return err
		}
		if len(agents) == 0 {
			fmt.Fprintln(env.Stderr, "No agent is connected to this node's Redis: is one running, and is this node the leader?")
		}
		agents = slices.DeleteFunc(agents, func(agent string) bool { return !mayHave(agent, prefix) })
		names, err = actionsOfAll(ctx, client, agents)
		return err
	})
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(names)
	return slices.Compact(names), err
}

// mayHave tells whether names of an agent's actions may begin with prefix: with
// the agent's own name before them, but for those of the cluster agent, in which
// there is no slash.
func mayHave(agent, prefix string) bool {
	if agent == clusterAgent {
		return !strings.Contains(prefix, "/")
	}
	return strings.HasPrefix(agent+"/", prefix) || strings.HasPrefix(prefix, agent+"/")
}

// actionsOfAll asks all agents at once. Those that answer count, also if others
// do not.
func actionsOfAll(ctx context.Context, client *redisq.Client, agents []string) ([]string, error) {
	var mu sync.Mutex
	var names []string
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
	return names, errors.Join(failures...)
}

// actionsOf lists the actions of one agent.
func actionsOf(ctx context.Context, client *redisq.Client, agent string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	outcome, err := ask(ctx, client, agent, "list-actions")
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("it does not answer")
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(outcome.Output, &names)
	}
	if err != nil {
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

// ask gives a task without input and waits for its outcome.
func ask(ctx context.Context, client *redisq.Client, agent, action string) (outcome redisq.Outcome, err error) {
	ticket, err := client.Submit(ctx, redisq.Order{Agent: agent, Action: action, User: taskUser})
	if err != nil {
		return outcome, explainReplica(err)
	}
	defer func() { err = errors.Join(err, ticket.Close()) }()
	return ticket.Wait(ctx, nil)
}
