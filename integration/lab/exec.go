package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// nodePath is the PATH of everything in a node: /usr/local, with the agent under its
// names, comes first.
const nodePath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// raceSetting takes away the second that a program with the race detector waits at its end.
const raceSetting = "GORACE=atexit_sleep_ms=0"

// outputGrace is how long a command's output is read after its end, when a daemon it
// started keeps it open.
const outputGrace = 2 * time.Second

// Result is what a command in a node printed and returned.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Exec runs a command in the node, as root, in /. An exit code other than 0 is no error:
// look at Code. The error says that the command could not be run, or was cut off by ctx.
func (n *Node) Exec(ctx context.Context, argv ...string) (Result, error) {
	return n.ExecInput(ctx, nil, argv...)
}

// ExecInput is Exec with standard input.
func (n *Node) ExecInput(ctx context.Context, stdin io.Reader, argv ...string) (Result, error) {
	var stdout, stderr bytes.Buffer
	cmd := n.command(ctx, "/", argv...)
	cmd.Env = n.environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	if ctx.Err() != nil {
		return result, fmt.Errorf("node %d: %s: %w", n.ID, strings.Join(argv, " "), ctx.Err())
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, exec.ErrWaitDelay) {
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("node %d: run %s: %w", n.ID, argv[0], err)
	}
	return result, nil
}

// Run is Exec for commands that have to succeed: returns standard output, and an error
// with what the command said if it ended with another code than 0.
func (n *Node) Run(ctx context.Context, argv ...string) (string, error) {
	return n.RunInput(ctx, nil, argv...)
}

// RunInput is Run with standard input.
func (n *Node) RunInput(ctx context.Context, stdin io.Reader, argv ...string) (string, error) {
	result, err := n.ExecInput(ctx, stdin, argv...)
	if err != nil {
		return result.Stdout, err
	}
	return result.Stdout, result.check(n.ID, argv)
}

// check makes an error of an exit code other than 0.
func (r Result) check(node int, argv []string) error {
	if r.Code == 0 {
		return nil
	}
	said := strings.TrimSpace(strings.TrimSpace(r.Stdout) + "\n" + strings.TrimSpace(r.Stderr))
	return fmt.Errorf("node %d: %s: exit code %d: %s", node, strings.Join(argv, " "), r.Code, said)
}

// command prepares a process in the node's namespaces. nsenter replaces itself by the
// command, so the process started is the command's own; without the pid namespace, in
// which the lab is already, it forks nothing.
func (n *Node) command(ctx context.Context, dir string, argv ...string) *exec.Cmd {
	args := make([]string, 0, len(argv)+8)
	args = append(args, "--target", strconv.Itoa(n.holder.pid), "--net", "--mount", "--uts", "--wdns="+dir, "--")
	cmd := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	cmd.Dir = "/"
	cmd.WaitDelay = outputGrace
	// A group of its own, so that a cancelled command takes its children along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// environment is what a process in the node gets, and nothing of the lab's own.
func (n *Node) environment(more ...string) []string {
	return append([]string{nodePath, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", raceSetting}, more...)
}
