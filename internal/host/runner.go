package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// CommandTimeout bounds one command when the caller's context does not end
// sooner.
const CommandTimeout = 60 * time.Second

// Runner runs a program to its end and returns what it printed.
type Runner interface {
	// Run returns stdout and stderr together. An error names the command and
	// the last lines it printed; it wraps exec.ErrNotFound, *exec.ExitError or
	// the error of the context.
	Run(ctx context.Context, name string, args ...string) (string, error)
}

// Exec is the Runner of real programs, in the environment of this process.
type Exec struct{}

// Run implements Runner.
func (Exec) Run(ctx context.Context, name string, args ...string) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, CommandTimeout)
	defer cancel()
	// A file and no pipe: a userspace WireGuard that wg-quick leaves behind
	// inherits it, which would keep a pipe open, and the reader waiting, for as
	// long as the VPN is up.
	file, err := os.CreateTemp("", "cluster-agent-output-")
	if err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err = os.Remove(file.Name()); err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Scripts like wg-quick have children, which would go on without them.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	runErr := cmd.Run()
	output, err = readOutput(file)
	if runErr == nil {
		return output, err
	}
	return output, errors.Join(commandError(ctx, cmd, output, runErr), err)
}

// readOutput reads from the start through ReadAt, because the position of the
// file is shared with the program that wrote it.
func readOutput(file *os.File) (string, error) {
	const most = 64 << 10
	data, err := io.ReadAll(io.NewSectionReader(file, 0, most))
	if err != nil {
		return "", fmt.Errorf("read output: %w", err)
	}
	return string(data), nil
}

func commandError(ctx context.Context, cmd *exec.Cmd, output string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	line := strings.Join(cmd.Args, " ")
	if said := lastLines(output); said != "" {
		return fmt.Errorf("run %s: %w: %s", line, err, said)
	}
	return fmt.Errorf("run %s: %w", line, err)
}

// lastLines keeps the end of what a command printed, where its error is.
func lastLines(output string) string {
	const most = 5
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return strings.Join(lines, "; ")
}
