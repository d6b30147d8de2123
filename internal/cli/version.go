package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// SoftwareVersion is raised with every release.
const SoftwareVersion = "0.1.0"

// Version is the software's, the same for all programs: its name, its number and,
// where the build knows it, the commit it was built from.
func Version() string { return "agent " + SoftwareVersion + revision() }

// revision is the commit the program was built from, in brackets, or nothing.
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

// offerVersion gives a command the flag --version, as cobra does by itself. But
// cobra says it in other words unless it is given a template, and a program that
// uses package text/template is linked with every method of every type, any of
// which a template could name: it has twice the size, and starts later.
func offerVersion(root *cobra.Command) {
	wanted := root.Flags().BoolP("version", "v", false, "version for "+root.Name())
	// By this, completion knows that nothing comes after it.
	root.Flags().Lookup("version").Annotations = map[string][]string{cobra.FlagSetByCobraAnnotation: {"true"}}
	check, run := root.Args, root.RunE
	root.Args = func(command *cobra.Command, args []string) error {
		if *wanted {
			return nil
		}
		return check(command, args)
	}
	root.RunE = func(command *cobra.Command, args []string) error {
		if *wanted {
			_, err := fmt.Fprintln(command.OutOrStdout(), Version())
			return err
		}
		return run(command, args)
	}
}
