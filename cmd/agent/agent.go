package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"cluster-agent/actions"
	"cluster-agent/events"
	"cluster-agent/internal/cli"
	"cluster-agent/internal/memory"
	"cluster-agent/internal/monitor"
	"cluster-agent/internal/node"
	"cluster-agent/internal/sigchld"
	"cluster-agent/worker"
	"cluster-agent/worker/journal"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/schema"
	"cluster-agent/worker/script"
)

type agentFlags struct {
	agentIDs    []string
	actionsDirs []string
	eventsDirs  []string
	reject      bool
}

func agentCommand(env *environment) *cobra.Command {
	var flags agentFlags
	command := &cobra.Command{
		Use:     agentName + " --agentid ID --actionsdir DIR [--eventsdir DIR]",
		Short:   "Take tasks from Redis and run them as actions made of steps",
		Long:    agentHelp,
		Example: agentExamples,
		Args:    cli.Usage(cobra.NoArgs),

		DisableFlagsInUseLine: true,
		RunE:                  func(*cobra.Command, []string) error { return runAgent(env, flags) },
	}
	command.Flags().Var(list{&flags.agentIDs, "ID"}, "agentid", "who this agent is: cluster, node/N or module/NAME; the last one counts")
	command.Flags().Var(list{&flags.actionsDirs, "DIR"}, "actionsdir", "directory of actions; can be repeated, the later replaces")
	command.Flags().Var(list{&flags.eventsDirs, "DIR"}, "eventsdir", "directory of events' handlers; can be repeated, the later replaces")
	command.Flags().BoolVar(&flags.reject, "reject-when-busy", false, "reject tasks over the limit with exit code 11 instead of letting them wait")
	completeFlag(command, "actionsdir", completeDirs)
	completeFlag(command, "eventsdir", completeDirs)
	return command
}

// runAgent runs until a signal ends it.
func runAgent(env *environment, flags agentFlags) error {
	log := env.logger()
	settings, err := readSettings(flags, os.Getenv)
	if err = errors.Join(err, enter(settings.stateDir)); err != nil {
		return cannotStart(log, err)
	}
	log.Logger.SetLevel(settings.logLevel)
	notes, err := openJournal(settings.agent, log)
	if err != nil {
		return cannotStart(log, err)
	}
	agent, err := newAgent(settings, notes, log, env)
	if err != nil {
		return cannotStart(log, errors.Join(err, notes.Close()))
	}
	return obeySignals(log, agent, env.drain)
}

// cannotStart says why, each reason on a line.
func cannotStart(log *logrus.Entry, err error) error {
	log.Log(logrus.FatalLevel, err.Error())
	return cli.ExitError(cli.ExitFailure)
}

// enter makes dir the working directory; none named: that of the caller stays.
func enter(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("AGENT_STATE_DIR=%s: %w", dir, err)
	}
	return nil
}

// agent is a worker with all that keeps it connected.
type agent struct {
	worker     *worker.Worker
	tasks      *redisq.Tasks
	runner     *script.Runner
	journal    *journal.Journal
	background []func(context.Context)
	log        *logrus.Entry
}

// dialTime bounds one try to reach Redis.
const dialTime = 3 * time.Second

func newAgent(s settings, notes *journal.Journal, log *logrus.Entry, env *environment) (*agent, error) {
	s.tasks.Dial = env.Files().Dialer(dialTime)
	options := redisq.Options{
		Agent: s.agent, Instance: notes.Instance(), Server: s.tasks, PollingInterval: s.tuning.PollingInterval,
		Environment: stateVariables, Log: log, Ended: notes.Ended(),
	}
	machine, err := env.Machine(log)
	if err != nil {
		return nil, err
	}
	if s.agent == clusterAgent {
		options.Environment = func() (map[string]string, error) { return leadersVariables(machine) }
	}
	a := &agent{tasks: redisq.NewTasks(options), journal: notes, log: log}
	presence := redisq.NewPresence(options)
	compiled := compiledIn(s, machine, log, func() { a.tasks.Reconnect(); presence.Reconnect() })
	source := redisq.NewEvents(s.events, s.tuning.PollingInterval, compiled.missedEvents, log)
	slack, keepCalm := calm(log)
	a.background = append([]func(context.Context){tendMemory, keepCalm, presence.Run, source.Run, a.tasks.Inherit}, compiled.background...)

	a.runner = &script.Runner{Environ: os.Environ(), Environment: environmentFile, TimerSlack: slack}
	actionSet, err := registry(compiled.actions, s.actionDirs, a.runner)
	if err != nil {
		return nil, err
	}
	handlers, err := registry(compiled.handlers, s.eventDirs, a.runner)
	if err != nil {
		return nil, err
	}
	a.worker, err = worker.New(worker.Config{
		AgentID: s.agent, Actions: actionSet, Events: handlers,
		Queue: newHeldQueue(a.tasks, compiled.mayTake), Board: a.tasks, Journal: notes, Source: source,
		Schemas: schema.NewChecker(sharedSchemas(s.installDir, log)...), Log: log, Stderr: env.Stderr, Tuning: s.tuning,
	})
	return a, err
}

func tendMemory(ctx context.Context) { memory.Tend(ctx, os.Getenv("GOGC")) }

// calm keeps the Go runtime from work that is of no use here: its monitor thread looks less often,
// where that is allowed, and no signal tells of a step's exit. It returns the timer slack that was
// usual, for steps, and what is to be done while the agent runs.
func calm(log *logrus.Entry) (usual time.Duration, keep func(context.Context)) {
	tell := func(err error) {
		if err != nil {
			log.Debugf("calm the Go runtime: %v", err)
		}
	}
	tell(sigchld.Off())
	usual, err := monitor.Calm()
	tell(err)
	return usual, func(ctx context.Context) { tell(monitor.Keep(ctx, usual)) }
}

// environmentFile is in the agent's working directory.
const environmentFile = "environment"

// stateVariables are those that the agent mirrors to Redis.
func stateVariables() (map[string]string, error) {
	variables, err := script.ReadEnvironment(environmentFile)
	mirrored := make(map[string]string, len(variables))
	for _, v := range variables {
		mirrored[v.Name] = v.Value
	}
	return mirrored, err
}

// recordTime is enough for a Redis on this machine; an agent that is told to stop has little more.
const recordTime = 250 * time.Millisecond

// leadersVariables are those that the cluster agent mirrors: they name the leader. On a node
// that does not lead by the records, whose Redis was made a master by hand, say, they would make
// it one.
func leadersVariables(machine *node.Machine) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), recordTime)
	defer cancel()
	if machine.NamesAnother(ctx) {
		return nil, redisq.ErrNotMirrored
	}
	return stateVariables()
}

func registry(compiled []worker.Action, dirs []string, runner *script.Runner) (*worker.Registry, error) {
	sources := make([]worker.Source, len(dirs))
	for i, dir := range dirs {
		sources[i] = script.NewSource(dir, runner)
	}
	return worker.NewRegistry(compiled, sources...)
}

// compiledParts is what an agent has beside its directories.
type compiledParts struct {
	actions      []worker.Action
	handlers     []worker.Action
	background   []func(context.Context)
	missedEvents func() // events may have been missed
	// mayTake waits until tasks may be taken.
	mayTake func(context.Context)
}

// compiledIn returns the parts of an agent: the cluster agent has the actions
// of the cluster, a node agent keeps its node, and has those that the leader
// asks it for. reconnect is called when the
// leader may be another machine.
func compiledIn(s settings, machine *node.Machine, log *logrus.Entry, reconnect func()) compiledParts {
	machine.LeaderSilence = s.leaderSilence
	mayTake := func(ctx context.Context) { awaitLead(ctx, machine, log) }
	switch {
	case s.agent == clusterAgent:
		return compiledParts{actions: actions.Cluster(machine, coreVersion(os.Getenv)), mayTake: mayTake}
	case strings.HasPrefix(s.agent, "node/"):
		apply := node.NewFlight(func(ctx context.Context) error {
			report, err := machine.ApplyRoutes(ctx)
			node.LogChanges(log, report)
			for _, warning := range report.Warnings {
				log.Warnf("VPN: %s", warning)
			}
			return err
		})
		keeper := node.NewKeeper(machine, reconnect)
		return compiledParts{
			actions:    actions.Node(machine),
			handlers:   events.Node(machine, apply),
			background: []func(context.Context){keeper.Run}, missedEvents: keeper.Nudge, mayTake: mayTake,
		}
	}
	return compiledParts{mayTake: func(context.Context) {}}
}

// run takes tasks until ctx ends or the worker is drained.
func (a *agent) run(ctx context.Context) {
	background, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	for _, part := range a.background {
		parts.Go(func() { part(background) })
	}
	a.worker.Run(ctx)
	a.giveBack(ctx)
	stop()
	parts.Wait()
	if err := errors.Join(a.runner.Close(), a.tasks.Close(), a.journal.Close()); err != nil {
		a.log.Debugf("end: %v", err)
	}
}

// giveBackTime is short: an agent that was told to stop has a second.
const giveBackTime = 100 * time.Millisecond

func (a *agent) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	if err := a.tasks.Return(ctx); err != nil {
		a.log.Infof("whether a task was fetched and not started could not be asked, the next start looks: %v", err)
	}
}
