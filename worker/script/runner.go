package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"cluster-agent/internal/spawn"
	"cluster-agent/worker"
)

// defaultDrainTime is what the protocol gives a background process.
const defaultDrainTime = 5 * time.Second

// exitExec is the exit code for a step that the system had no means to start.
const exitExec = 9

// Runner starts executables as steps. Its fields are not to be changed once a
// step was run. Who is done with it calls [Runner.Close].
type Runner struct {
	Environ     []string // the agent's own environment
	Environment string   // path of the file whose variables steps get, read anew before each
	// DrainTime is how long a step's descriptors may stay open, in the hands of
	// a background process, after the step itself has exited; 0 means 5 s.
	DrainTime time.Duration
	// TimerSlack is how much later than it asked for a step's sleeps may end
	// (PR_SET_TIMERSLACK of prctl(2)); 0 means as those of the thread that starts it.
	TimerSlack time.Duration

	moment    time.Duration                     // see attend; 0 means 50 ms
	openPidfd func(pid int) (fd int, err error) // nil: ask the kernel
	starter   spawn.Starter
	base      baseEnviron
	watches   watches
	left      leftBehind
}

// Close ends the reading of what steps have left behind. It is called when no
// step is started any more; one that still runs does so with what it has.
func (r *Runner) Close() error {
	if err := errors.Join(r.left.close(), r.watches.close()); err != nil {
		return fmt.Errorf("let go of steps' descriptors: %w", err)
	}
	return nil
}

// step makes the function of the step at path.
func (r *Runner) step(path string) func(context.Context, *worker.Call) error {
	return func(ctx context.Context, call *worker.Call) error {
		environ, err := r.environ(call)
		switch {
		case isScarcity(err):
			return worker.Exit(exitExec, err)
		case err != nil:
			return err
		}
		return r.run(ctx, path, environ, call)
	}
}

// runOnce starts the executable and sees it to its end: until it has exited and its
// descriptors are closed, or have been left open for too long.
func (r *Runner) runOnce(ctx context.Context, path string, environ []string, call *worker.Call) error {
	s, err := r.connect(path, call)
	if err != nil {
		return worker.Exit(exitExec, fmt.Errorf("connect step: %w", err))
	}
	defer s.close(&r.watches)
	p, err := r.start(path, environ, s.pipes.theirs)
	if err != nil {
		return notStarted(err)
	}
	defer p.terminateWith(ctx, call.Log)()
	s.note(s.pipes.closeTheirs())
	r.attend(p, s)
	if err := p.failure(); err != nil {
		return notStarted(err)
	}
	if s.open > 0 {
		r.leave(s.giveAway(), path, call)
	}
	return p.end.step()
}

// leave warns of a background process, and keeps reading what it prints.
func (r *Runner) leave(open []*os.File, path string, call *worker.Call) {
	what := "is lost"
	for _, file := range open {
		if !r.left.take(file, pipeNotes(call)) {
			what = "meets a broken pipe, since too many others do the same"
		}
	}
	call.Log().Warnf("step %s left a background process that keeps its output open: what it prints from now on %s", path, what)
}

// notStarted tells a file that is no step, which is skipped, from a system that is out of means.
func notStarted(err error) error {
	if isScarcity(err) {
		return worker.Exit(exitExec, fmt.Errorf("start step: %w", err))
	}
	return worker.Skip(err)
}

// isScarcity tells whether err is a lack of means, for which no step's file is to blame.
func isScarcity(err error) bool {
	return slices.ContainsFunc([]error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.E2BIG},
		func(lack error) bool { return errors.Is(err, lack) })
}
