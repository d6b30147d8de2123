// Command lab runs a whole cluster on this machine: real redis-servers, real WireGuard
// links, real agents, a set of namespaces for each node. Its demo promotes a worker to
// leader and says whether all was right; it can leave the cluster running.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"cluster-agent/integration/lab"
)

// exit is an error that only stands for an exit code: what there was to say has been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() { os.Exit(run(os.Args)) } //nolint:forbidigo // a program of its own

func run(args []string) int {
	if code, ran := lab.RunRole(args); ran {
		return code
	}
	root := &cobra.Command{
		Use:           "lab",
		Short:         "A whole cluster on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		demoCommand(args), keeperCommand(args), statusCommand(), shellCommand(), execCommand(),
		powerCommand("off", "Cut the power of a node"), powerCommand("on", "Boot a node"),
		powerCommand("cut", "Pull the network cable of a node"), powerCommand("plug", "Put the cable back"),
		downCommand(),
	)
	root.SetArgs(args[1:])
	err := root.Execute()
	if code, ok := errors.AsType[exit](err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return 0
}
