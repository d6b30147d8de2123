// Package redistest runs the Redis servers of a cluster's nodes for tests: real
// ones, each with the users and the files of a prepared node, on a loopback
// address of its own and the port that every Redis of a cluster has, so that
// they can follow each other and save what they are told.
package redistest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
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

// Password is that of the users cluster, api-server and node/1.
const Password = "secret of the tests"

// PasswordHash is the SHA-256 of [Password], as Redis stores it.
func PasswordHash() string {
	sum := sha256.Sum256([]byte(Password))
	return hex.EncodeToString(sum[:])
}

const (
	port      = "6379"
	startTime = 20 * time.Second
	tryAgain  = 5 * time.Millisecond
)

// Server is a redis-server that ends with the test.
type Server struct {
	Addr netip.Addr // where it listens, and whom others see when it connects
	Dir  string     // holds redis.conf, users.acl and what it saves

	t   *testing.T
	cmd *exec.Cmd
}

// Start runs a server with more lines in its redis.conf. Without redis-server
// on this machine the test is skipped; in CI that is a failure.
func Start(t *testing.T, directives ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" { //nolint:forbidigo // a helper of tests, which only CI forbids to skip
			t.Fatal("CANNOT RUN: needs redis-server")
		}
		t.Skip("SKIPPED: needs redis-server")
	}
	s := &Server{Addr: loopback.Address(), Dir: t.TempDir(), t: t}
	s.write("redis.conf", s.settings(directives))
	s.write("users.acl", users())
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

func (s *Server) settings(more []string) string {
	address := s.Addr.String()
	lines := append([]string{
		"bind " + address, "bind-source-addr " + address, "port " + port,
		"dir " + s.Dir, "aclfile " + filepath.Join(s.Dir, "users.acl"),
		"protected-mode no", `save ""`, "repl-diskless-sync-delay 0", "shutdown-timeout 0",
	}, more...)
	return strings.Join(lines, "\n") + "\n"
}

// users are those of a prepared node.
func users() string {
	password := "#" + PasswordHash()
	return strings.Join([]string{
		"user cluster on " + password + " ~* &* +@all",
		"user default on nopass resetkeys ~cluster/* ~node/* ~module/* resetchannels &* nocommands +@read +@connection +subscribe +psubscribe -@admin",
		"user api-server on " + password + " ~* &* nocommands +@read +@pubsub +lpush +@transaction +@connection +role +hset",
		"user node/1 on " + password + " resetkeys ~node/1/* ~task/node/1/* %R~cluster/* %R~node/* %R~module/* " +
			"%R~private/agents/* %R~private/nodes/* resetchannels &progress/node/1/* &node/1/event/* " +
			"nocommands +@read +@write +@transaction +@connection +publish -@admin +psync +replconf",
	}, "\n") + "\n"
}

func (s *Server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Run starts the process, again after [Server.Kill], and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	said := filepath.Join(s.Dir, "log")
	s.cmd = exec.CommandContext(context.WithoutCancel(s.t.Context()), "redis-server", filepath.Join(s.Dir, "redis.conf"), "--logfile", said)
	// A test that dies, of its time limit for instance, leaves nothing behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	// A pipe, which its child that saves the data holds, too: Wait waits for both.
	s.cmd.Stdout = io.Discard
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.answers(); err != nil {
		text, rerr := os.ReadFile(said)
		s.t.Fatalf("redis-server at %s does not answer: %v\n%s", s.Address(), errors.Join(err, rerr), text)
	}
}

// answers waits until the server takes commands: it may be loading its data.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(s.t.Context(), startTime)
	defer cancel()
	client := s.connect("cluster", Password)
	ticker := time.NewTicker(tryAgain)
	defer ticker.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return client.Close()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(err, client.Close())
		}
	}
}

// Address is host:port.
func (s *Server) Address() string { return net.JoinHostPort(s.Addr.String(), port) }

// Client connects as user cluster, who may do everything.
func (s *Server) Client() *redis.Client { return s.ClientOf("cluster", Password) }

// ClientOf connects as any user. The connections end with the test.
func (s *Server) ClientOf(user, password string) *redis.Client {
	s.t.Helper()
	client := s.connect(user, password)
	s.t.Cleanup(func() {
		if err := client.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return client
}

func (s *Server) connect(user, password string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.Address(), Username: user, Password: password, Protocol: 2, MaxRetries: -1,
		DisableIdentity: true, ContextTimeoutEnabled: true,
	})
}

// Follow makes the server a replica of another and waits until it is in sync,
// and until its master has heard of that, which can take a second.
func (s *Server) Follow(master *Server) {
	s.t.Helper()
	ctx, client := s.t.Context(), s.Client()
	for _, command := range [][]any{
		{"CONFIG", "SET", "masteruser", "cluster", "masterauth", Password},
		{"REPLICAOF", master.Addr.String(), port},
	} {
		if err := client.Do(ctx, command...).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Eventually("be in sync", func() bool {
		return s.Info("replication", "master_link_status") == "up"
	})
	role := master.Client()
	master.Eventually("count its replica", func() bool {
		reply, err := role.Do(ctx, "ROLE").Result()
		return err == nil && strings.Contains(fmt.Sprint(reply), "["+s.Addr.String()+" ")
	})
}

// Info is a field of INFO.
func (s *Server) Info(section, field string) string {
	s.t.Helper()
	client := s.connect("cluster", Password)
	text, err := client.Info(s.t.Context(), section).Result()
	if err = errors.Join(err, client.Close()); err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			return strings.TrimSpace(value)
		}
	}
	s.t.Fatalf("INFO %s has no field %s", section, field)
	return ""
}

// Eventually waits until a condition holds; the test fails if it never does.
func (s *Server) Eventually(what string, holds func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), startTime)
	defer cancel()
	ticker := time.NewTicker(tryAgain)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			s.t.Fatalf("redis-server at %s does not %s", s.Address(), what)
		}
	}
}

// Pause stops the process, as a machine that hangs; Continue lets it go on.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Continue ends a [Server.Pause].
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

// Kill ends the process at once, as a power cut does, and its child that saves the data.
func (s *Server) Kill() {
	s.t.Helper()
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.signal(syscall.SIGKILL)
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.t.Error(err)
	}
	s.cmd = nil
}

func (s *Server) signal(number syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, number); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.t.Error(fmt.Errorf("signal redis-server: %w", err))
	}
}
