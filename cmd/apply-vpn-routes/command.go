package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/vpn"
)

// exitNotApplied is the exit code when something failed.
const exitNotApplied = 2

// memory is from where on the program clears up more often, in bytes: a hub of ten
// thousand nodes keeps its memory for other things than a command that runs for a
// moment. It is no bound: what a larger cluster needs, it gets.
const memory = 28 << 20

func applyCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "apply-vpn-routes",
		Short: "Bring wg0 and its routes to what Redis says",
		Long: `Reads the local Redis, brings wg0 and the routing table to what it says, and
saves wg0.conf. Prints what it changed. A run that finds nothing to do changes
nothing and prints nothing. Exit code 0, or 2 if something failed.`,
		Example: "  apply-vpn-routes",
		Args:    cli.Usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			debug.SetMemoryLimit(memory)
			machine, err := env.Machine(env.PlainLogger())
			if err != nil {
				return err
			}
			report, err := machine.ApplyRoutes(ctx)
			if perr := printReport(env, report); perr != nil {
				return perr
			}
			if err != nil {
				return cli.CodedError{Code: exitNotApplied, Err: err}
			}
			return nil
		},
	}
}

func printReport(env cli.Environment, report vpn.Report) error {
	for _, warning := range report.Warnings {
		fmt.Fprintf(env.Stderr, "Warning: %s\n", warning)
	}
	return cli.PrintLines(env.Stdout, report.Plan.Lines())
}
