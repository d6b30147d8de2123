package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cli"
)

// stopTime is how long an agent that was told to stop may take; the protocol
// gives it one second. Steps have 600 ms of it, then results have 150 ms to reach Redis
// (worker.Tuning), and the rest is for giving back what was fetched and not started.
const stopTime = 850 * time.Millisecond

// obeySignals runs the agent: SIGUSR1 drains it, SIGTERM and SIGINT stop it, and
// it then dies by that very signal, so that a supervisor sees why.
func obeySignals(log *logrus.Entry, a *agent, drain <-chan os.Signal) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	// To lose the reader of the log, as when journald is killed, fails a write, and ends no agent.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan struct{})
	go func() {
		a.run(ctx)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return nil
		case <-drain:
			a.worker.Drain()
			log.Info("SIGUSR1: ending as soon as nothing runs any more")
		case received := <-signals:
			stop()
			// Beside the wait, since nobody may be reading the log.
			go log.Infof("%s: stopping", received)
			waitAtMost(ended, stopTime)
			return dieBy(received)
		}
	}
}

func waitAtMost(ended <-chan struct{}, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// dieBy ends the process by the signal's default action.
func dieBy(received os.Signal) error {
	number, ok := received.(syscall.Signal)
	if !ok {
		return fmt.Errorf("unknown signal %v", received)
	}
	signal.Reset(number)
	if err := syscall.Kill(os.Getpid(), number); err != nil {
		return fmt.Errorf("end by %v: %w", received, err)
	}
	// The signal ends the process at any moment now; but not if that is the first
	// one of a container, which signals without a handler do not touch.
	waitAtMost(nil, deathTime)
	return cli.ExitError(128 + int(number))
}

// deathTime is more than a signal takes to end the process that sent it.
const deathTime = time.Second
