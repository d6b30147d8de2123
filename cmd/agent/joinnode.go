package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/node"
)

func joinNodeCommand(env *environment) *cobra.Command {
	var data string
	command := &cobra.Command{
		Use:   "join-node --data JSON|-",
		Short: "Join a cluster, or join again, without a task",
		Long: `Does what the action join-node does, for a machine where that cannot be given
as a task: one that was removed from its cluster, or whose join was interrupted.
Its Redis is a replica already, and takes no tasks. The data are what add-node on
the leader has printed. It can be interrupted and repeated.`,
		Example: `  agent join-node --data '{"node_id":4,…}'
  ssh leader api-cli run add-node --data "'$(agent join-request)'" | agent join-node --data -`,
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			text := []byte(data)
			if data == "-" {
				var err error
				if text, err = io.ReadAll(env.Stdin); err != nil {
					return fmt.Errorf("read data from stdin: %w", err)
				}
			}
			invitation, err := node.ParseInvitation(text)
			if err != nil {
				return cli.UsageError{Err: err}
			}
			machine, err := env.Machine(env.PlainLogger())
			if err != nil {
				return err
			}
			return machine.Join(ctx, invitation, func(format string, args ...any) {
				fmt.Fprintf(env.Stdout, format+"\n", args...)
			})
		},
	}
	command.Flags().StringVar(&data, "data", "", "the output of add-node, JSON; - reads it from stdin")
	return command
}
