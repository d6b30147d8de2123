package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"github.com/sirupsen/logrus"
)

const (
	agentRole     = "run-agent"
	compiledAgent = "module/compiled"
	externalAgent = "module/external"
)

// runAgent is an agent with compiled-in actions that do nothing: noop of one
// step, ten of ten. It is put together as cmd/agent does.
func runAgent(id, address, profile string) error {
	stopProfile, err := startProfile(profile)
	if err != nil {
		return err
	}
	defer func() { report(stopProfile()) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := logrus.New()
	log.SetOutput(os.Stderr)
	tasks := redisq.NewTasks(redisq.Options{
		Agent: id, Server: redisq.Server{Address: address, Name: id},
		PollingInterval: 5 * time.Second, Log: logrus.NewEntry(log),
	})
	actions, err := worker.NewRegistry([]worker.Action{noops("noop", 1), noops("ten", 10)})
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{
		AgentID: id, Actions: actions, Queue: tasks, Board: tasks, Log: logrus.NewEntry(log), Stderr: os.Stderr,
	})
	if err != nil {
		return err
	}
	w.Run(ctx)
	return tasks.Close()
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
