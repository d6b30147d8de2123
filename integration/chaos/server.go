package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/loopback"
	"cluster-agent/internal/wait"
)

const (
	// startTime is how long a process may take until it answers, on a busy machine.
	startTime = 30 * time.Second
	// replyTime is how long the driver waits for a reply; longer than Redis is
	// ever stopped.
	replyTime = 15 * time.Second
)

// server is a redis-server that can be killed and started again on its address.
type server struct {
	address string
	dir     string
	durable bool // it keeps what it acknowledged
	process *child
	// news is for subscriptions, which find their way to the next life.
	news *redis.Client

	mu    sync.Mutex
	admin *redis.Client // of this life
}

// newServer starts one on an address of its own.
func newServer(ctx context.Context, dir string, durable bool) (*server, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make a folder for Redis: %w", err)
	}
	s := &server{address: net.JoinHostPort(loopback.Address().String(), "6379"), dir: dir, durable: durable}
	if err := s.start(ctx); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	s.news = redis.NewClient(s.options())
	return s, nil
}

func (s *server) options() *redis.Options {
	return &redis.Options{
		Addr: s.address, Protocol: 2, DisableIdentity: true, ReadTimeout: replyTime, WriteTimeout: replyTime,
		// What is pushed twice would be two tasks.
		MaxRetries: -1, DialerRetries: 1,
	}
}

// configure writes redis.conf.
func (s *server) configure() error {
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return fmt.Errorf("split the address of Redis: %w", err)
	}
	lines := []string{
		"bind " + host, "port " + port, "dir " + s.dir, "logfile redis.log", `save ""`, "shutdown-timeout 0",
		// The subscriber that counts has to hear everything.
		"client-output-buffer-limit pubsub 0 0 0",
	}
	if s.durable {
		// One file from the first write to the last: it may be cut off.
		lines = append(lines, "appendonly yes", "appendfsync always", "auto-aof-rewrite-percentage 0")
	}
	return os.WriteFile(filepath.Join(s.dir, "redis.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// start runs the server and waits until it answers, with its data loaded.
func (s *server) start(ctx context.Context) error {
	if err := s.configure(); err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "redis-server", filepath.Join(s.dir, "redis.conf"))
	process, err := startChild(cmd)
	if err != nil {
		return err
	}
	// A client of this life alone: one of an earlier life goes on refusing for a
	// while, after a few failed dials.
	s.process = process
	s.mu.Lock()
	s.admin = redis.NewClient(s.options())
	s.mu.Unlock()
	if err := s.answers(ctx); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

// client is for commands to this life of the server.
func (s *server) client() *redis.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admin
}

// answers waits until it is this server, and no other on its address, that answers.
func (s *server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		info, err := s.client().Info(ctx).Result()
		switch {
		case err == nil && !strings.Contains(info, fmt.Sprintf("process_id:%d\r", s.process.pid())):
			return errors.New("another server has the address")
		case err == nil && strings.Contains(info, "\nloading:0\r"):
			return nil
		case s.process.gone():
			return fmt.Errorf("redis-server ended, see %s", filepath.Join(s.dir, "redis.log"))
		case !wait.For(ctx, 5*time.Millisecond):
			return fmt.Errorf("wait for redis-server: %w", errors.Join(err, ctx.Err()))
		}
	}
}

// kill ends the server at once.
func (s *server) kill() error {
	if s.process.gone() {
		return nil
	}
	return errors.Join(s.client().Close(), s.process.end(syscall.SIGKILL))
}

// vanish ends the server with its data. Unlike SIGKILL, SHUTDOWN falls between two
// rounds of Redis' loop, in which it writes all replies and messages: the agent has
// a reply if and only if subscribers have the message.
func (s *server) vanish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	// It is answered by the end of the connection, which go-redis knows.
	if err := s.client().ShutdownNoSave(ctx).Err(); err != nil {
		return fmt.Errorf("shut Redis down: %w", err)
	}
	if !s.process.awaitEnd() {
		return errors.New("shut Redis down: it goes on")
	}
	return s.client().Close()
}

// writes is the file to which each change is appended.
func (s *server) writes() (string, error) {
	paths, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err == nil && len(paths) != 1 {
		err = fmt.Errorf("there are %d", len(paths))
	}
	if err != nil {
		return "", fmt.Errorf("look for the append-only file: %w", err)
	}
	return paths[0], nil
}

// written is how many bytes of changes are on disk.
func (s *server) written() (int64, error) {
	path, err := s.writes()
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("measure the append-only file: %w", err)
	}
	return info.Size(), nil
}

// cutOff has a server that has ended come back with what it had written when that
// were so many bytes: it leaves out a transaction that is not whole.
func (s *server) cutOff(size int64) error {
	path, err := s.writes()
	if err != nil {
		return err
	}
	if err := os.Truncate(path, size); err != nil {
		return fmt.Errorf("cut the append-only file off: %w", err)
	}
	return nil
}

// do carries out a command of the adversary.
func (s *server) do(ctx context.Context, words ...any) error {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	if err := s.client().Do(ctx, words...).Err(); err != nil {
		return fmt.Errorf("tell Redis %v: %w", words, err)
	}
	return nil
}

// close ends the server and all connections to it.
func (s *server) close() error { return errors.Join(s.kill(), s.news.Close()) }
