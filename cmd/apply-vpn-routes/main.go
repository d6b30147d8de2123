// Command apply-vpn-routes brings the VPN of this node to what Redis says.
//
// It is a program of its own since it is over in a few milliseconds: the start of
// the agent's binary, with all that an agent is made of, would take longer than
// its work. TestStartsFast keeps such parts away from it.
package main

import (
	"os"

	"cluster-agent/internal/cli"
)

func main() {
	os.Exit(run(os.Args[1:], cli.ProcessEnvironment("/")))
}

// run is the program; args are without its name. It returns the exit code.
func run(args []string, env cli.Environment) int {
	_, err := cli.Execute(applyCommand(env), env, args)
	return cli.ExitCode(err, env.Stderr)
}
