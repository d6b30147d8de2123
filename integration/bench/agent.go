package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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
func runAgent(id, address string) error {
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
