package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"cluster-agent/internal/wait"
)

// loop keeps the service running until its life ends.
func (s *Service) loop(life context.Context, done chan<- struct{}) {
	defer close(done)
	defer s.set(func(st *Status) { st.Active, st.PID = false, 0 })
	delay := firstDelay
	for life.Err() == nil {
		began := time.Now()
		if err := s.once(life); err != nil && life.Err() == nil {
			s.node.lab.log.WithField("node", s.node.ID).WithField("unit", s.unit.name).WithError(err).Debug("service ended")
		}
		if time.Since(began) > settled {
			delay = firstDelay
		}
		if !wait.For(life, delay) {
			return
		}
		delay = min(2*delay, maxDelay)
	}
}

// once is the life of one process.
func (s *Service) once(life context.Context) (err error) {
	journal, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	cmd, err := s.unit.command(s.node)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	cmd.Stdout, cmd.Stderr = journal, journal
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	exited := make(chan ended, 1)
	go func() { exited <- ended{cmd.Wait()} }()
	return s.follow(life, cmd.Process, exited)
}

// ended is how a process ended, as Wait says.
type ended struct{ err error }

// follow takes a started process from readiness to its end.
func (s *Service) follow(life context.Context, process *os.Process, exited <-chan ended) error {
	starting, stopWaiting := context.WithCancel(life)
	defer stopWaiting()
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		s.awaitReady(starting)
	}()
	select {
	case end := <-exited:
		return errors.Join(errors.New("ended before it was ready"), end.err)
	case <-ready:
	}
	if life.Err() != nil {
		return terminate(life, process, exited)
	}
	if err := s.writePID(process.Pid); err != nil {
		return errors.Join(err, terminate(life, process, exited))
	}
	s.set(func(st *Status) { st.PID = process.Pid; st.Starts++ })
	var err error
	select {
	case end := <-exited:
		err = end.err
	case <-life.Done():
		err = terminate(life, process, exited)
	}
	s.set(func(st *Status) { st.PID = 0 })
	if gone := os.Remove(s.pidPath()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// awaitReady returns when the service is ready, or when ctx ends.
func (s *Service) awaitReady(ctx context.Context) {
	if s.unit.ready == nil {
		return
	}
	err := Until(ctx, pollInterval, func(ctx context.Context) error { return s.unit.ready(ctx, s.node) })
	if err != nil {
		s.node.lab.log.WithField("node", s.node.ID).WithError(err).Debugf("%s was not ready", s.unit.name)
	}
}

// terminate ends a process as the end of its service's life asks for, and waits for it.
func terminate(life context.Context, process *os.Process, exited <-chan ended) error {
	first := []os.Signal{syscall.SIGTERM, syscall.SIGCONT} // a paused process does not see SIGTERM
	if errors.Is(context.Cause(life), powerOffError{}) {
		first = []os.Signal{syscall.SIGKILL}
	}
	for _, sig := range first {
		if err := process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop: %w", err)
		}
	}
	timer := time.NewTimer(termGrace)
	defer timer.Stop()
	select {
	case <-exited:
		return nil
	case <-timer.C:
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill: %w", err)
	}
	<-exited
	return nil
}

// serviceCommand prepares a service's process: a session of its own, as systemd gives.
func (n *Node) serviceCommand(dir string, env []string, argv ...string) *exec.Cmd {
	cmd := n.command(context.Background(), dir, argv...)
	cmd.Cancel = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = n.environment(env...)
	return cmd
}
