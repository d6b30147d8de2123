package script

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"cluster-agent/worker"
)

// defaultDrainTime is what the protocol gives a background process.
const defaultDrainTime = 5 * time.Second

// exitExec is the exit code for a step that the system had no means to start.
const exitExec = 9

// Runner starts executables as steps.
type Runner struct {
	Environ     []string // the agent's own environment
	Environment string   // path of the file whose variables steps get, read anew before each
	// DrainTime is how long a step's descriptors may stay open, in the hands of
	// a background process, after the step itself has exited; 0 means 5 s.
	DrainTime time.Duration

	base baseEnviron
}

// step makes the function of the step at path.
func (r *Runner) step(path string) func(context.Context, *worker.Call) error {
	return func(ctx context.Context, call *worker.Call) error {
		environ, err := r.environ(call)
		if err != nil {
			return err
		}
		return r.run(ctx, path, environ, call)
	}
}

// run starts the executable and sees it to its end: until it has exited and its
// descriptors are closed, or have been left open for too long.
func (r *Runner) run(ctx context.Context, path string, environ []string, call *worker.Call) error {
	cmd := exec.Command(path) //nolint:noctx // the step is asked to end with TERM to its group, see terminate
	cmd.Env = environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	streams, err := connect(cmd, call)
	if err != nil {
		return worker.Exit(exitExec, err)
	}
	defer streams.close()
	if err = cmd.Start(); err != nil {
		return notStarted(err)
	}
	streams.started()
	stopTerminating := context.AfterFunc(ctx, func() { terminate(cmd.Process.Pid, call) })
	defer stopTerminating()

	err = cmd.Wait()
	if !streams.drain(r.drainTime()) {
		call.Log().Warnf("step %s left a background process that keeps its output open: what it prints from now on is lost", path)
	}
	return exitStatus(err)
}

func (r *Runner) drainTime() time.Duration {
	if r.DrainTime == 0 {
		return defaultDrainTime
	}
	return r.DrainTime
}

// terminate asks all processes of a step to end.
func terminate(group int, call *worker.Call) {
	if err := syscall.Kill(-group, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		call.Log().Errorf("send TERM to process group %d: %v", group, err)
	}
}

// notStarted tells a file that is no step, which is skipped, from a system that
// is out of means, or a task that cannot be put into an environment.
func notStarted(err error) error {
	var file *fs.PathError
	scarce := slices.ContainsFunc([]error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.E2BIG},
		func(lack error) bool { return errors.Is(err, lack) })
	if scarce || !errors.As(err, &file) {
		return worker.Exit(exitExec, fmt.Errorf("start step: %w", err))
	}
	return worker.Skip(err)
}

// exitStatus turns the end of a process into the step's error: its exit code,
// or 128+n if signal n killed it.
func exitStatus(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return worker.Exit(128+int(status.Signal()), nil)
	}
	return worker.Exit(exit.ExitCode(), nil)
}
