package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/node"
)

func switchLeaderCommand(env *environment) *cobra.Command {
	var order node.Switch
	command := &cobra.Command{
		Use:   "switch-leader --node N [--endpoint HOST:PORT]",
		Short: "Follow node N as the leader, or lead if this is node N",
		Long: `For the day the leader is dead: run it on every worker, in any order. Node N
becomes the leader, the others follow it. It tells what it does and what it
waits for; it can be interrupted and repeated.

While the leader is alive, run promote-node on it instead.`,
		Example: `  switch-leader --node 3 --endpoint node3.example.com:55820
  switch-leader --node 3      # with the endpoint in node 3's record`,
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			if order.Leader < 1 {
				return cli.UsageError{Err: errors.New("--node N is missing: which node is to lead")}
			}
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			machine, err := env.Machine(env.PlainLogger())
			if err != nil {
				return err
			}
			started := time.Now()
			order.Say = func(format string, args ...any) {
				fmt.Fprintf(env.Stdout, "%6.2fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
			}
			return machine.SwitchLeader(ctx, order)
		},
	}
	flags := command.Flags()
	flags.IntVar(&order.Leader, "node", 0, "node id of the new leader")
	nameValue(flags, "node", "N")
	flags.StringVar(&order.Endpoint, "endpoint", "", "where the others reach the new leader's WireGuard")
	nameValue(flags, "endpoint", "HOST:PORT")
	flags.DurationVar(&order.Wait, "wait", 10*time.Second, "how long to wait for the other nodes")
	flags.BoolVar(&order.Force, "force", false, "lead although the present leader answers")
	return command
}
