package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
)

// coreVersion is what nodes of one cluster compare when one joins: that of the
// distribution, where it says one, else that of this software.
func coreVersion(lookup func(string) string) string {
	if version := lookup("CORE_VERSION"); version != "" {
		return version
	}
	return cli.SoftwareVersion
}

func versionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  agent version",
		Args:    cli.Usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.Stdout, cli.Version())
			return err
		},
	}
}
