package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"cluster-agent/worker/redisq"
)

// completionTime keeps the shell from hanging when an agent does not answer.
const completionTime = 2 * time.Second

// completer is a shell completion.
type completer = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeTarget completes [AGENT/]ACTION: with the names of agents and, of one of
// them, with its actions. That is the cluster agent as long as no other is named;
// asking all of them would be a task for each with every key. agent, where it is
// not empty, was named by a flag, and only its actions are completed.
func (e *environment) completeTarget(agent *string) completer {
	return func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		err := e.completing(command, func(ctx context.Context, client *redisq.Client) error {
			var err error
			if *agent != "" {
				names, err = actionsOf(ctx, client, *agent)
				trimAll(names, *agent+"/")
				return err
			}
			names, err = targets(ctx, client, typed)
			return err
		})
		return completions(names, typed, err)
	}
}

// completeAgents completes the name of an agent.
func (e *environment) completeAgents(command *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	err := e.completing(command, func(ctx context.Context, client *redisq.Client) error {
		var err error
		names, err = client.Agents(ctx, defaultIdleTime)
		return err
	})
	return completions(names, typed, err)
}

// completing asks the local Redis, but not for long.
func (e *environment) completing(command *cobra.Command, ask func(context.Context, *redisq.Client) error) error {
	ctx, cancel := context.WithTimeout(command.Context(), completionTime)
	defer cancel()
	return e.withLocal(func(connection *redis.Client) error {
		return ask(ctx, redisq.NewClient(connection))
	})
}

// completions are the names that begin with what was typed. What an error kept
// from being found is not there; nothing is said of it on a line being typed.
func completions(names []string, typed string, err error) ([]string, cobra.ShellCompDirective) {
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) })
	slices.Sort(names)
	switch {
	case err != nil && len(names) == 0:
		return nil, cobra.ShellCompDirectiveError
	case slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, "/") }):
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// targets are what [AGENT/]ACTION may go on to be.
func targets(ctx context.Context, client *redisq.Client, typed string) ([]string, error) {
	agents, err := client.Agents(ctx, defaultIdleTime)
	if err != nil {
		return nil, err
	}
	if at := strings.LastIndex(typed, "/"); at >= 0 && slices.Contains(agents, typed[:at]) {
		return actionsWithName(ctx, client, typed[:at])
	}
	var names []string
	if mayHave(clusterAgent, typed) && slices.Contains(agents, clusterAgent) {
		names, err = actionsOf(ctx, client, clusterAgent)
	}
	for _, agent := range agents {
		if agent != clusterAgent {
			names = append(names, agent+"/")
		}
	}
	return names, err
}

// actionsWithName are an agent's actions with its name before them, also those of
// the cluster agent, which may be written so.
func actionsWithName(ctx context.Context, client *redisq.Client, agent string) ([]string, error) {
	names, err := actionsOf(ctx, client, agent)
	for i := range names {
		names[i] = agent + "/" + strings.TrimPrefix(names[i], agent+"/")
	}
	return names, err
}

func trimAll(names []string, prefix string) {
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], prefix)
	}
}

// completeDirs leaves it to the shell to complete a directory.
func completeDirs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeFlag sets the completion of a flag's values.
func completeFlag(command *cobra.Command, flag string, complete completer) {
	if err := command.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(fmt.Sprintf("complete --%s: %v", flag, err)) // the flag has no such name: a fault of this program
	}
}
