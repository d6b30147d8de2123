package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
)

// movedName was a name of this binary; now that is another program's.
const movedName = "apply-vpn-routes"

// checkMoved refuses the calls of that program which end here: by a link that an
// older installation has left, or as a command of the agent.
func checkMoved(argv []string, called *cobra.Command) error {
	switch {
	case filepath.Base(argv[0]) == movedName:
		return cli.CodedError{Code: cli.ExitUsage, Err: fmt.Errorf(
			"%[1]s is a program of its own, and this is the agent, called by its name: put the file build/%[1]s in place of the link %[2]s, or run make install, which does that",
			movedName, argv[0])}
	case isAgent(called) && len(argv) > 1 && argv[1] == movedName:
		return cli.CodedError{Code: cli.ExitUsage, Err: fmt.Errorf(
			"%[1]s is a program of its own: run it as %[1]s, without agent before it", movedName)}
	}
	return nil
}
