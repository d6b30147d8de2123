package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/node"
)

// allWait is how long the nodes may take that come by themselves: some wait for the leader
// to be silent first.
const allWait = time.Minute

func switchLeaderCommand(env *environment) *cobra.Command {
	var order node.Switch
	var all bool
	command := &cobra.Command{
		Use:   "switch-leader --node N [--endpoint HOST:PORT] [--all]",
		Short: "Follow node N as the leader, or lead if this is node N",
		Long: `For the day the leader is dead: run it on every worker, in any order. Node N
becomes the leader, the others follow it. It tells what it does and what it
waits for; it can be interrupted and repeated.

With --all it is enough to run it on node N. It asks the other nodes whether
one has newer data, and refuses to lead if so. Then it waits for them: they
find their way to node N by themselves if it was prepared to lead, that is if
its record had an endpoint, once their leader has been silent for half a
minute (AGENT_LEADER_SILENCE). Exit code 1 if some have not come in time.

While the leader is alive, run promote-node on it instead.`,
		Example: `  switch-leader --node 3 --endpoint node3.example.com:55820
  switch-leader --node 3      # with the endpoint in node 3's record
  switch-leader --node 3 --all --wait 2m      # on node 3 alone`,
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
			if !all {
				return machine.SwitchLeader(ctx, order)
			}
			if !command.Flags().Changed("wait") {
				order.Wait = allWait
			}
			return machine.SwitchAll(ctx, order)
		},
	}
	flags := command.Flags()
	flags.IntVar(&order.Leader, "node", 0, "node id of the new leader")
	nameValue(flags, "node", "N")
	flags.StringVar(&order.Endpoint, "endpoint", "", "where the others reach the new leader's WireGuard")
	nameValue(flags, "endpoint", "HOST:PORT")
	flags.DurationVar(&order.Wait, "wait", 10*time.Second, "how long to wait for the other nodes; with --all 1m by default")
	flags.BoolVar(&order.Force, "force", false, "lead although the present leader answers, or another node has newer data")
	flags.BoolVar(&all, "all", false, "on node N: ask the other nodes first, and wait until they follow")
	return command
}
