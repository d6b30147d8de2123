// Package testbed is what tests of the built programs have in common: it builds them, and
// takes the tests of whole machines into the namespaces of a lab.
package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Build builds packages of this module, named from its root as cmd/agent is, into a
// directory, or one of them into a file. The programs have the race detector if the tests
// have it. With PREBUILT=true in the environment they are there already: the machine of
// make test-kernel has no compiler.
func Build(to string, packages ...string) error {
	if os.Getenv("PREBUILT") == "true" { //nolint:forbidigo // tests alone call it
		return nil
	}
	args := []string{"build", "-o", to}
	if Race {
		args = append(args, "-race")
	}
	for _, name := range packages {
		args = append(args, "cluster-agent/"+name)
	}
	text, err := exec.CommandContext(context.Background(), "go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the programs under test: %w\n%s", err, text)
	}
	return nil
}
