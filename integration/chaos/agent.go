package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// agentID is who the tasks are for.
const agentID = "module/chaos1"

// agent is the binary under test, which can be ended and started again. All its
// lives share a state directory and a log.
type agent struct {
	file    string
	dir     string
	env     []string
	log     *os.File
	process *child
}

// newAgent lays out the folders of an agent that reaches Redis at an address.
func newAgent(cfg config, dir, address string) (*agent, error) {
	for _, folder := range []string{"actions", "events", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o750); err != nil {
			return nil, fmt.Errorf("make a folder of the agent: %w", err)
		}
	}
	if err := writeActions(filepath.Join(dir, "actions")); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	return &agent{file: cfg.agent, dir: dir, log: log, env: []string{
		"PATH=" + cfg.path, mark(dir),
		"REDIS_ADDRESS=" + address,
		"AGENT_STATE_DIR=" + filepath.Join(dir, "state"),
		"AGENT_POLLING_INTERVAL=" + cfg.interval.String(),
		fmt.Sprintf("MAX_CONCURRENCY=%d", cfg.concurrency),
		"GORACE=atexit_sleep_ms=0", // or a race detector sleeps for a second at the end
	}}, nil
}

const logName = "agent.log"

// mark is in the environment of all processes of a run.
func mark(dir string) string { return "CHAOS_DIR=" + dir }

// start begins a life.
func (a *agent) start(ctx context.Context) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), a.file, "--agentid", agentID,
		"--actionsdir", filepath.Join(a.dir, "actions"), "--eventsdir", filepath.Join(a.dir, "events"))
	cmd.Dir, cmd.Env, cmd.Stderr = a.dir, a.env, a.log
	process, err := startChild(cmd)
	if err != nil {
		return err
	}
	a.process = process
	return a.note("started, process %d", process.pid())
}

// note adds a line of the driver's to the log.
func (a *agent) note(format string, args ...any) error {
	line := fmt.Sprintf("=== %s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
	if _, err := a.log.WriteString(line); err != nil {
		return fmt.Errorf("write to the agent's log: %w", err)
	}
	return nil
}

// close ends the agent and its steps.
func (a *agent) close() error {
	var err error
	if a.process != nil && !a.process.gone() {
		err = a.process.end(syscall.SIGKILL)
	}
	return errors.Join(err, killMarked(mark(a.dir)), a.log.Close())
}
