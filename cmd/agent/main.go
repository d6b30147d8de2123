// Command agent is all programs of a cluster node in one binary. Which one runs
// is told by the name it is called by, through links, or by the first argument:
//
//	agent             runs an agent: takes tasks from Redis, handles events
//	agent setup-node  prepares a machine for a cluster
//	api-cli           gives tasks to agents, and waits for them
//	switch-leader     follows, or becomes, a new leader
//	apply-vpn-routes  brings the VPN to what Redis says
//	vpn-status        shows how the VPN is, and what is wrong
//	wireguard-go      the WireGuard engine for kernels without one
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"cluster-agent/internal/host"
	"cluster-agent/vpn/userspace"
)

func main() {
	os.Exit(run(os.Args, processEnvironment("/")))
}

// processEnvironment is that of this process. SIGUSR1 is caught before anything
// else: a supervisor may want an agent to end that has hardly begun.
func processEnvironment(root string) *environment {
	drain := make(chan os.Signal, 1)
	signal.Notify(drain, syscall.SIGUSR1)
	return &environment{root: root, drain: drain, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
}

// run is the program: argv[0] or argv[1] tell which.
func run(argv []string, env *environment) int {
	name, args := filepath.Base(argv[0]), argv[1:]
	if name == userspace.Name || (len(args) > 0 && args[0] == userspace.Name) {
		if name != userspace.Name {
			args = args[1:]
		}
		return runEngine(args, env.stderr)
	}
	redis.SetLogger(silent{})
	command := commandNamed(name, env)
	command.SetArgs(args)
	command.SetIn(env.stdin)
	command.SetOut(env.stdout)
	command.SetErr(env.stderr)
	completeBash(command, args)
	called, err := command.ExecuteContextC(context.Background())
	if isAgent(called) && !isTerminal(env.stderr) {
		return exitCode(err, &journalWriter{env.logger()})
	}
	return exitCode(err, env.stderr)
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
			return standalone(command)
		}
	}
	root := agentCommand(env)
	root.AddCommand(subcommands(env)...)
	return standalone(root)
}

// subcommands are those that also have a name of their own, and those that
// belong to the agent alone.
func subcommands(env *environment) []*cobra.Command {
	return []*cobra.Command{
		apiCLICommand(env), switchLeaderCommand(env), applyRoutesCommand(env), vpnStatusCommand(env),
		setupNodeCommand(env), joinRequestCommand(env), joinNodeCommand(env), versionCommand(env),
	}
}

func standalone(command *cobra.Command) *cobra.Command {
	command.Version = version()
	command.SetVersionTemplate("{{.Version}}\n")
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetFlagErrorFunc(flagError) // also of its subcommands
	withoutFiles(command)
	return command
}

// environment is what a command has of the process and the machine around it.
type environment struct {
	drain          <-chan os.Signal // SIGUSR1
	root           string           // below which the machine's files are; "/" but in tests
	stdin          io.Reader
	stdout, stderr io.Writer
}

func (e *environment) files() host.Files { return host.NewFiles(e.root) }

// exitError is an exit code whose reason has been told.
type exitError int

// Error says the code.
func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a call that cannot be understood.
type usageError struct{ error }

func exitCode(err error, stderr io.Writer) int {
	var code exitError
	var usage usageError
	var unfinished unfinishedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &unfinished):
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitUnfinished
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "Error: %v\nSee --help for how to call it\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitFailure
	}
}

// logger writes lines for journald.
func (e *environment) logger() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(e.stderr)
	log.SetFormatter(journalFormatter{})
	log.SetLevel(logrus.InfoLevel)
	return logrus.NewEntry(log)
}

// plainLogger writes lines for a person at a terminal.
func (e *environment) plainLogger() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(e.stderr)
	log.SetFormatter(plainFormatter{})
	return logrus.NewEntry(log)
}

// silent drops what go-redis logs by itself: its errors come back as values, too.
type silent struct{}

// Printf drops a line.
func (silent) Printf(context.Context, string, ...any) {}
