// Package redistest gives tests a redis-server of their own: a real one, on an
// address that nobody else uses, with its data in the test's folder.
// It can be stopped, started again with the same data, and paused; its traffic
// can be read ([Server.Monitor]) and broken ([NewProxy]).
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/loopback"
)

// startTime is how long a server may take until it answers, on a busy machine.
const startTime = 20 * time.Second

// Server is a redis-server that belongs to one test.
type Server struct {
	// Address is where it listens, the same after every Start.
	Address string

	dir     string
	lines   []string
	process *exec.Cmd
	admin   *redis.Client
}

// Start runs a server until the test ends, with more lines in its redis.conf;
// without any, nothing is saved. A line that begins with "user admin " makes the
// test itself connect as that user, whose password has to be admin.
func Start(t *testing.T, lines ...string) *Server {
	t.Helper()
	needServer(t)
	s := &Server{Address: net.JoinHostPort(loopback.Address().String(), "6379"), dir: t.TempDir(), lines: lines}
	t.Cleanup(func() { s.end(t) })
	if err := s.start(t.Context()); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	return s
}

// needServer skips a test where there is no redis-server; in CI that is a failure.
func needServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" { //nolint:forbidigo // a helper of tests, which only CI forbids to skip
		t.Fatal("CANNOT RUN: needs redis-server")
	}
	t.Skip("SKIPPED: needs redis-server")
}

// start runs the server and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	if err := s.configure(); err != nil {
		return fmt.Errorf("write redis.conf: %w", err)
	}
	s.process = exec.CommandContext(context.WithoutCancel(ctx), "redis-server", filepath.Join(s.dir, "redis.conf"))
	// A test that dies, of its time limit for instance, leaves nothing behind.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("run redis-server: %w", err)
	}
	s.admin = redis.NewClient(&redis.Options{Addr: s.Address, Protocol: 2, MaxRetries: -1, DialerRetries: 1, Username: s.user(), Password: "admin"})
	if err := s.answers(ctx); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

func (s *Server) configure() error {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	lines := append([]string{
		"bind " + host, "port " + port, "dir " + s.dir, "logfile redis.log", `save ""`,
		"repl-diskless-sync-delay 0", "shutdown-timeout 0",
	}, s.lines...)
	return os.WriteFile(filepath.Join(s.dir, "redis.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// user is who the test itself connects as: admin, if a line defines it.
func (s *Server) user() string {
	for _, line := range s.lines {
		if strings.HasPrefix(line, "user admin ") {
			return "admin"
		}
	}
	return ""
}

// answers waits until it is this server, and no other on its address, that answers.
func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		info, err := s.admin.Info(ctx, "server").Result()
		switch {
		case err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r", s.process.Process.Pid)):
			return nil
		case err == nil:
			return errors.New("another server has the address")
		case gone(s.process.Process.Pid):
			return fmt.Errorf("redis-server ended: %w", err)
		}
		if perr := pause(ctx, 5*time.Millisecond); perr != nil {
			return fmt.Errorf("wait for redis-server: %w", err)
		}
	}
}

// gone tells whether a child has ended and only waits to be reaped.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) kill() error {
	if s.process == nil {
		return nil
	}
	err := errors.Join(s.admin.Close(), s.process.Process.Kill())
	var exit *exec.ExitError
	if werr := s.process.Wait(); !errors.As(werr, &exit) {
		err = errors.Join(err, werr)
	}
	s.process = nil
	return err
}

func (s *Server) end(t *testing.T) {
	t.Helper()
	if err := s.kill(); err != nil {
		t.Errorf("end redis-server: %v", err)
	}
}

// Stop kills the server (SIGKILL): what it had not saved is gone.
func (s *Server) Stop(t *testing.T) {
	t.Helper()
	if err := s.kill(); err != nil {
		t.Fatalf("stop redis-server: %v", err)
	}
}

// Restart starts a stopped server again, at the same address.
func (s *Server) Restart(t *testing.T) {
	t.Helper()
	if err := s.start(t.Context()); err != nil {
		t.Fatalf("start redis-server again: %v", err)
	}
}

// Pause stops the server in its tracks: connections stay open, nothing answers.
func (s *Server) Pause(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
}

// Resume ends a Pause.
func (s *Server) Resume(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

func (s *Server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatalf("send %v to redis-server: %v", signal, err)
	}
}

// Admin is a client that may do everything.
func (s *Server) Admin() *redis.Client { return s.admin }

// Do runs one command as the administrator and wants it to succeed.
func (s *Server) Do(t *testing.T, words ...any) any {
	t.Helper()
	reply, err := s.admin.Do(t.Context(), words...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatalf("redis %v: %v", words, err)
	}
	return reply
}
