package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
	"time"

	"cluster-agent/internal/journald"
	"cluster-agent/internal/memory"
	"cluster-agent/internal/monitor"
	"cluster-agent/internal/sigchld"
	"cluster-agent/worker"
	"cluster-agent/worker/journal"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/script"
	"cluster-agent/worker/workertest"
	"github.com/sirupsen/logrus"
)

const (
	agentRole     = "run-agent"
	compiledAgent = "module/compiled"
	externalAgent = "module/external"
	// These two keep no journal: nothing of what they have started is known after
	// a crash.
	compiledForgets = "module/compiled-forgets"
	externalForgets = "module/external-forgets"
)

// runAgent is an agent with compiled-in actions that do nothing: noop of one
// step, ten of ten, and again of one that may be run again; or one with the executables of a directory. It is put together
// as cmd/agent does.
func runAgent(id, address, dir, profile string) error {
	stopProfile, err := startProfile(profile)
	if err != nil {
		return err
	}
	defer func() { report(stopProfile()) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go memory.Tend(ctx, os.Getenv("GOGC"))
	slack, err := monitor.Calm()
	report(errors.Join(err, sigchld.Off()))
	log := logrus.New()
	log.SetOutput(os.Stderr)
	log.SetFormatter(journald.Formatter{})
	notes, instance, err := benchJournal(id, dir)
	if err != nil {
		return err
	}
	tasks := redisq.NewTasks(redisq.Options{
		Agent: id, Instance: instance, Server: redisq.Server{Address: address, Name: id},
		PollingInterval: 5 * time.Second, Log: logrus.NewEntry(log),
	})
	actions, err := benchActions(id, dir, slack)
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{
		AgentID: id, Actions: actions, Queue: tasks, Board: tasks, Journal: notes, Log: logrus.NewEntry(log), Stderr: os.Stderr,
	})
	if err != nil {
		return err
	}
	w.Run(ctx)
	return tasks.Close()
}

// benchJournal is on disk, as an agent's is, or forgets all with the process.
func benchJournal(id, dir string) (notes worker.Journal, instance string, err error) {
	if id != compiledAgent {
		return workertest.NewJournal(), "bench", nil
	}
	opened, warning, err := journal.Open(filepath.Join(dir, "journal"))
	if err = errors.Join(warning, err); err != nil {
		return nil, "", err
	}
	return opened, opened.Instance(), nil
}

func benchActions(id, dir string, slack time.Duration) (*worker.Registry, error) {
	if id == externalForgets {
		runner := &script.Runner{Environ: os.Environ(), Environment: filepath.Join(dir, "environment"), TimerSlack: slack}
		return worker.NewRegistry(nil, script.NewSource(filepath.Join(dir, "actions"), runner))
	}
	again := noops("again", 1)
	again.Repeatable = true
	return worker.NewRegistry([]worker.Action{noops("noop", 1), noops("ten", 10), again})
}

// startProfile writes where the processor's time goes to a file, until it is stopped.
func startProfile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(path) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

func noops(name string, n int) worker.Action {
	action := worker.Action{Name: name}
	for i := range n {
		action.Steps = append(action.Steps, worker.Step{
			Name: fmt.Sprintf("%02dnoop", i+10),
			Run:  func(context.Context, *worker.Call) error { return nil },
		})
	}
	return action
}
