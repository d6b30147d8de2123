package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stage is the redis-server and the agents that the cases run on.
type stage struct {
	dir      string
	address  string
	redis    *exec.Cmd
	compiled *agentProcess    // steps compiled in
	external *agentProcess    // steps are executables
	bare     [5]*agentProcess // no engine: with package os/exec, with the agent's runner, and with its journal, too; no step, without and with journal
	forget   [2]*agentProcess // no journal: steps compiled in, and executables
}

const stepName = "10noop"

func newStage(ctx context.Context, binary, profile string) (*stage, error) {
	dir, err := os.MkdirTemp("", "agent-bench-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir}
	if err := s.start(ctx, binary, profile); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) start(ctx context.Context, binary, profile string) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.redis = exec.CommandContext(ctx, "redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", s.dir)
	if err = s.redis.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	if err = answers(ctx, s.address); err != nil {
		return err
	}
	if err = s.layOut(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.compiled, err = startAgent(ctx, s, compiledAgent, self, agentRole, compiledAgent, s.address, s.dir, profile); err != nil {
		return err
	}
	for i, id := range []string{compiledForgets, externalForgets} {
		if s.forget[i], err = startAgent(ctx, s, id, self, agentRole, id, s.address, s.dir, ""); err != nil {
			return err
		}
	}
	for i, id := range []string{bareExec, bareRunner, bareJournal, bareNothing, bareRecorded} {
		if s.bare[i], err = startAgent(ctx, s, id, self, bareRole, id, s.address, s.dir); err != nil {
			return err
		}
	}
	s.external, err = startAgent(ctx, s, externalAgent, binary, "--agentid", externalAgent, "--actionsdir", filepath.Join(s.dir, "actions"))
	return err
}

// answers waits until Redis takes connections.
func answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for redis-server: %w", err)
		}
	}
}

// layOut makes the external actions noop (one step), ten (ten steps) and again
// (one step, and declared to be repeatable).
func (s *stage) layOut() error {
	for action, steps := range map[string]int{"noop": 1, "ten": 10, "again": 1} {
		folder := filepath.Join(s.dir, "actions", action)
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return err
		}
		for i := range steps {
			if err := os.Symlink("/bin/true", filepath.Join(folder, fmt.Sprintf("%02dnoop", i+10))); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(s.dir, "actions", "repeatable"), []byte("again\n"), 0o600)
}

func (s *stage) close() {
	agents := append([]*agentProcess{s.compiled, s.external}, s.bare[:]...)
	for _, agent := range append(agents, s.forget[:]...) {
		if agent != nil {
			agent.stop()
		}
	}
	if s.redis != nil && s.redis.Process != nil {
		report(s.redis.Process.Kill())
		var ended *exec.ExitError
		if err := s.redis.Wait(); err != nil && !errors.As(err, &ended) {
			report(err)
		}
	}
	report(os.RemoveAll(s.dir))
}

func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(port)
	return n, errors.Join(err, l.Close())
}

// agentProcess is a running agent.
type agentProcess struct {
	cmd *exec.Cmd
	id  string
}

func startAgent(ctx context.Context, s *stage, id, binary string, args ...string) (*agentProcess, error) {
	a := &agentProcess{cmd: exec.CommandContext(ctx, binary, args...), id: id}
	a.cmd.Env = append(os.Environ(), "REDIS_ADDRESS="+s.address)
	a.cmd.Dir = s.dir
	log, err := os.Create(filepath.Join(s.dir, strings.ReplaceAll(a.id, "/", "-")+".log"))
	if err != nil {
		return nil, err
	}
	a.cmd.Stderr = log
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	return a, log.Close()
}

func (a *agentProcess) stop() {
	report(a.cmd.Process.Signal(syscall.SIGTERM))
	var ended *exec.ExitError
	if err := a.cmd.Wait(); err != nil && !errors.As(err, &ended) {
		report(err)
	}
}

// cpu is the processor time of the agent itself, without its steps.
func (a *agentProcess) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// Fields 14 and 15 of proc(5), counted after the name, which may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, uerr := strconv.Atoi(fields[11])
	system, serr := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond
	return time.Duration(user+system) * tick, errors.Join(uerr, serr)
}

// memory is the resident memory of the agent, in KiB.
func (a *agentProcess) memory() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}
