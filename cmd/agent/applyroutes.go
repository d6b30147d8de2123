package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cluster-agent/vpn"
)

// exitNotApplied is the exit code of apply-vpn-routes when something failed.
const exitNotApplied = 2

// applyMemory is from where on the command clears up more often, in bytes: a hub of ten
// thousand nodes keeps its memory for other things than a command that runs for a
// moment. It is no bound: what a larger cluster needs, it gets.
const applyMemory = 22 << 20

func applyRoutesCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "apply-vpn-routes",
		Short: "Bring wg0 and its routes to what Redis says",
		Long: `Reads the local Redis, brings wg0 and the routing table to what it says, and
saves wg0.conf. Prints what it changed. A run that finds nothing to do changes
nothing and prints nothing. Exit code 0, or 2 if something failed.`,
		Example: "  apply-vpn-routes",
		Args:    usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := interruptible(command.Context())
			defer stop()
			debug.SetMemoryLimit(applyMemory)
			machine, err := env.machine(env.plainLogger())
			if err != nil {
				return err
			}
			report, err := machine.ApplyRoutes(ctx)
			if perr := printReport(env, report); perr != nil {
				return perr
			}
			if err != nil {
				fmt.Fprintf(env.stderr, "Error: %v\n", err)
				return exitError(exitNotApplied)
			}
			return nil
		},
	}
}

func printReport(env *environment, report vpn.Report) error {
	for _, warning := range report.Warnings {
		fmt.Fprintf(env.stderr, "Warning: %s\n", warning)
	}
	return printLines(env.stdout, report.Plan.Lines())
}
