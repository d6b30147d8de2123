package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/host"
	"cluster-agent/worker/redisq"
)

func apiCLICommand(env *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "api-cli",
		Short: "Give tasks to agents, and wait for them",
		Long: `Gives tasks to the agents that are connected to this node's Redis, as root,
with the credentials of the cluster agent. Tasks are given on the leader.`,
		Example: `  api-cli run list-actions
  api-cli run node/2/list-actions
  api-cli run promote-node --data '{"node_id":3,"endpoint_address":"node3.example.com","endpoint_port":55820}'`,
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return cli.UsageError{Err: errors.New("say what to do: run or list-actions")}
		},
	}
	command.AddCommand(apiRunCommand(env), apiListCommand(env))
	return command
}

// connectLocal connects to the local Redis with the cluster agent's credentials.
func (e *environment) connectLocal() (*redis.Client, error) {
	credentials, err := e.Files().Credentials(host.ClusterAgent)
	if err != nil {
		return nil, fmt.Errorf("read the cluster agent's credentials (is this root, on a prepared node?): %w", err)
	}
	return redisq.Connect(redisq.Server{
		Address: credentials.Address, User: credentials.User, Password: credentials.Password,
	}, 2), nil
}

// withLocal runs work on a connection to the local Redis.
func (e *environment) withLocal(work func(*redis.Client) error) error {
	connection, err := e.connectLocal()
	if err != nil {
		return err
	}
	return errors.Join(work(connection), connection.Close())
}

func apiListCommand(env *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "list-actions [PREFIX]",
		Short: "List the actions of all agents that are connected",
		Long: `Asks all agents that are connected to this node's Redis for their actions, and
prints those that begin with PREFIX, a line each, in the way that run takes them.

Exit code 1 if an agent could not be asked, or does not answer within 10 seconds;
the actions of the others are printed.`,
		Example: `  api-cli list-actions
  api-cli list-actions node/1/
  api-cli list-actions create`,
		Args: cli.Usage(cobra.MaximumNArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			prefix := ""
			if len(args) == 1 {
				prefix = args[0]
			}
			names, err := listAll(ctx, env, prefix)
			if perr := cli.PrintLines(env.Stdout, names); perr != nil {
				return perr
			}
			return err
		},
		ValidArgsFunction: env.completeTarget(new(string)),
	}
	return command
}

// checkData makes sure that a task's data are JSON before they are sent.
func checkData(data []byte) error {
	var document json.RawMessage
	if err := json.Unmarshal(data, &document); err != nil {
		return cli.UsageError{Err: fmt.Errorf("--data is not JSON: %w", err)}
	}
	return nil
}
