package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// child is a process that the driver has started.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// startChild runs a command; should the driver die, it goes, too.
func startChild(cmd *exec.Cmd) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	c := &child{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		// How it ended is read from its state.
		if err := cmd.Wait(); err != nil {
			return
		}
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// gone tells whether it has ended.
func (c *child) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// signal sends one; a process that has ended gets none.
func (c *child) signal(signal syscall.Signal) error {
	if err := c.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", signal, filepath.Base(c.cmd.Path), err)
	}
	return nil
}

// awaitEnd waits for its end; false if it goes on.
func (c *child) awaitEnd() bool {
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-c.ended:
		return true
	case <-timer.C:
		return false
	}
}

// endTime is how long a process may take to end: for SIGTERM the protocol gives
// an agent one second, which a busy machine makes longer; after SIGUSR1 it works
// on first.
const endTime = 30 * time.Second

// end sends a signal and waits until it has worked.
func (c *child) end(signal syscall.Signal) error {
	if err := c.signal(signal); err != nil {
		return err
	}
	if !c.awaitEnd() {
		return fmt.Errorf("%s goes on %v after %v", filepath.Base(c.cmd.Path), endTime, signal)
	}
	return nil
}

// killMarked kills all processes that have a line in their environment, as the
// steps of an agent have. Of others' processes it cannot be read.
func killMarked(line string) error {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	var failures []error
	for _, folder := range folders {
		content, rerr := os.ReadFile(filepath.Join(folder, "environ"))
		if rerr != nil || !bytes.Contains(append([]byte{0}, content...), []byte("\x00"+line+"\x00")) {
			continue
		}
		pid, cerr := strconv.Atoi(filepath.Base(folder))
		if cerr == nil {
			cerr = syscall.Kill(pid, syscall.SIGKILL)
		}
		if cerr != nil && !errors.Is(cerr, syscall.ESRCH) {
			failures = append(failures, fmt.Errorf("kill step %s: %w", folder, cerr))
		}
	}
	return errors.Join(failures...)
}
