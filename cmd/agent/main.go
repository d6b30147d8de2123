// Command agent is the programs of a cluster node in one binary, all but
// apply-vpn-routes. Which one runs is told by the name it is called by, through
// links, or by the first argument:
//
//	agent             runs an agent: takes tasks from Redis, handles events
//	agent setup-node  prepares a machine for a cluster
//	api-cli           gives tasks to agents, and waits for them
//	switch-leader     follows, or becomes, a new leader
//	vpn-status        shows how the VPN is, and what is wrong
//	wireguard-go      the WireGuard engine for kernels without one
package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/journald"
	"cluster-agent/vpn/userspace"
)

func main() {
	os.Exit(run(os.Args, processEnvironment("/")))
}

// environment is what a command has of the process and the machine around it.
type environment struct {
	cli.Environment

	drain <-chan os.Signal // SIGUSR1
}

// processEnvironment is that of this process. SIGUSR1 is caught before anything
// else: a supervisor may want an agent to end that has hardly begun.
func processEnvironment(root string) *environment {
	drain := make(chan os.Signal, 1)
	signal.Notify(drain, syscall.SIGUSR1)
	return &environment{Environment: cli.ProcessEnvironment(root), drain: drain}
}

// run is the program: argv[0] or argv[1] tell which.
func run(argv []string, env *environment) int {
	name, args := filepath.Base(argv[0]), argv[1:]
	if name == userspace.Name || (len(args) > 0 && args[0] == userspace.Name) {
		if name != userspace.Name {
			args = args[1:]
		}
		return runEngine(args, env.Stderr)
	}
	command := commandNamed(name, env)
	if err := checkMoved(argv, command); err != nil {
		return cli.ExitCode(err, env.Stderr)
	}
	called, err := cli.Execute(command, env.Environment, args)
	if isAgent(called) && !isTerminal(env.Stderr) {
		return cli.ExitCode(err, &journald.Writer{Log: env.logger()})
	}
	return cli.ExitCode(err, env.Stderr)
}

// agentName is the name of the command that runs an agent.
const agentName = "agent"

// isAgent tells whether a command is the agent itself, whose stderr is a log.
func isAgent(command *cobra.Command) bool {
	return !command.HasParent() && command.Name() == agentName
}

// commandNamed returns the command for the name the binary is called by; an
// unknown name is the agent's.
func commandNamed(name string, env *environment) *cobra.Command {
	for _, command := range subcommands(env) {
		if command.Name() == name {
			return command
		}
	}
	root := agentCommand(env)
	root.AddCommand(subcommands(env)...)
	return root
}

// subcommands are those that also have a name of their own, and those that
// belong to the agent alone.
func subcommands(env *environment) []*cobra.Command {
	return []*cobra.Command{
		apiCLICommand(env), switchLeaderCommand(env), vpnStatusCommand(env),
		setupNodeCommand(env), joinRequestCommand(env), joinNodeCommand(env), versionCommand(env),
	}
}

// logger writes lines for journald.
func (e *environment) logger() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(e.Stderr)
	log.SetFormatter(journald.Formatter{})
	log.SetLevel(logrus.InfoLevel)
	return logrus.NewEntry(log)
}
