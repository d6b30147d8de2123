package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// softwareVersion is raised with every release.
const softwareVersion = "0.1.0"

// coreVersion is what nodes of one cluster compare when one joins: that of the
// distribution, where it says one, else that of this software.
func coreVersion(lookup func(string) string) string {
	if version := lookup("CORE_VERSION"); version != "" {
		return version
	}
	return softwareVersion
}

func versionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  agent version",
		Args:    usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.stdout, version())
			return err
		},
	}
}

// version is the same under all names of the binary.
func version() string { return agentName + " " + softwareVersion + revision() }

// revision is the commit the binary was built from, where the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return " (" + setting.Value + ")"
		}
	}
	return ""
}
