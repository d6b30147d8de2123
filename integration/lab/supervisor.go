package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Restarts: the first comes soon, as an operator's restart should; a service that keeps
// failing waits longer each time.
const (
	firstDelay = 20 * time.Millisecond
	maxDelay   = time.Second
	settled    = 2 * time.Second
	termGrace  = 5 * time.Second
)

// unit is what the supervisor knows about a service.
type unit struct {
	name string
	// command makes the process; it is called at each start, so settings are read anew.
	command func(n *Node) (*exec.Cmd, error)
	// ready waits until the service counts as started; nil: as soon as it runs.
	ready func(ctx context.Context, n *Node) error
}

// Status is a service at one moment.
type Status struct {
	PID    int // 0 when no process runs, or it is not ready yet
	Starts int // how often it was started, and got ready, since the lab began
	Active bool
}

// Service is one service of one node under the lab's supervisor: started, restarted
// when it ends, its process id in /run/UNIT.pid of the node while it runs.
type Service struct {
	node *Node
	unit unit

	mu      sync.Mutex
	status  Status
	changed chan struct{} // closed at each change of status, and replaced
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when the loop has ended; nil before the first start
}

func newService(n *Node, u unit) *Service {
	return &Service{node: n, unit: u, changed: make(chan struct{})}
}

// Start starts the service and waits until it is ready. Nothing happens if it is active.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	if !s.status.Active {
		var life context.Context
		life, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
		s.done = make(chan struct{})
		s.status.Active = true
		go s.loop(life, s.done)
	}
	s.mu.Unlock()
	return s.Wait(ctx, func(now Status) bool { return now.PID != 0 })
}

// Stop ends the service with SIGTERM, or SIGKILL after five seconds, and waits.
func (s *Service) Stop() { s.end(context.Canceled) }

// end stops the loop for the given reason and waits for it.
func (s *Service) end(cause error) {
	s.mu.Lock()
	cancel, done := s.cancel, s.done
	s.mu.Unlock()
	if done == nil {
		return
	}
	cancel(cause)
	<-done
}

// Restart sends SIGTERM and waits until another process of the service is ready.
func (s *Service) Restart(ctx context.Context) error {
	return s.signalAndWait(ctx, syscall.SIGTERM)
}

// Kill sends SIGKILL and waits until the supervisor has the service ready again.
func (s *Service) Kill(ctx context.Context) error {
	return s.signalAndWait(ctx, syscall.SIGKILL)
}

func (s *Service) signalAndWait(ctx context.Context, sig syscall.Signal) error {
	before := s.Status()
	if err := s.Signal(sig); err != nil {
		return err
	}
	return s.Wait(ctx, func(now Status) bool { return now.PID != 0 && now.Starts > before.Starts })
}

// Pause stops the process in its tracks (SIGSTOP), as a machine that hangs.
func (s *Service) Pause() error { return s.Signal(syscall.SIGSTOP) }

// Continue lets a paused process run again.
func (s *Service) Continue() error { return s.Signal(syscall.SIGCONT) }

// Signal sends any signal to the service's process.
func (s *Service) Signal(sig syscall.Signal) error {
	pid := s.Status().PID
	if pid == 0 {
		return fmt.Errorf("node %d: %s is not running", s.node.ID, s.unit.name)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("node %d: signal %s: %w", s.node.ID, s.unit.name, err)
	}
	return nil
}

// Status tells what the service is doing now.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Wait waits until the status is as wanted.
func (s *Service) Wait(ctx context.Context, wanted func(Status) bool) error {
	for {
		s.mu.Lock()
		now, changed := s.status, s.changed
		s.mu.Unlock()
		if wanted(now) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("node %d: wait for %s (%+v): %w", s.node.ID, s.unit.name, now, context.Cause(ctx))
		}
	}
}

// Log returns all that the service's processes have written to stdout and stderr.
func (s *Service) Log() (string, error) {
	text, err := os.ReadFile(s.LogFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// LogFile is where that is, as the lab sees it; it is made at the first start.
func (s *Service) LogFile() string {
	return filepath.Join(s.node.dir, "journal", s.unit.name+".log")
}

func (s *Service) pidPath() string {
	return filepath.Join(s.node.dir, "run", s.unit.name+".pid")
}

// set changes the status and wakes those who wait for it.
func (s *Service) set(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
	close(s.changed)
	s.changed = make(chan struct{})
}

// writePID makes the process known to the node; by rename, since others poll the file.
func (s *Service) writePID(pid int) error {
	temporary := s.pidPath() + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil { //nolint:gosec // as systemd's
		return fmt.Errorf("write pid: %w", err)
	}
	return os.Rename(temporary, s.pidPath())
}
