package script

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"cluster-agent/internal/spawn"
)

// process is a step that runs, the leader of a process group of its own.
type process struct {
	*spawn.Process

	path   string
	pidfd  int          // or none
	waited <-chan *exit // without pidfd: how it ended
	end    *exit        // nil: it runs

	mu   sync.Mutex
	over bool // the group's number may belong to others by now
}

// start runs the file at path, with the descriptors given as its 0, 1, 2…
// Whether it could be executed is known when it has ended: see failure.
func (r *Runner) start(path string, environ []string, descriptors []int) (*process, error) {
	if ns := r.TimerSlack.Nanoseconds(); ns > 0 { // the step inherits that of the thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0) //nolint:errcheck // a step with another slack is better than none
	}
	file := asFile(path)
	started, err := r.starter.Start(spawn.Command{File: file, Args: []string{file}, Env: environ, Descriptors: descriptors})
	if err != nil {
		return nil, cannotExecute(path, err)
	}
	return &process{Process: started, path: path, pidfd: none}, nil
}

// failure is why a process that has ended could not execute the step's file; nil if it could.
func (p *process) failure() error {
	if err := p.Failure(); err != nil {
		return cannotExecute(p.path, err)
	}
	return nil
}

func cannotExecute(path string, err error) error {
	return &fs.PathError{Op: "fork/exec", Path: path, Err: err}
}

// asFile keeps the interpreter of a script from taking its path for an option,
// or for a name that is searched in PATH.
func asFile(path string) string {
	if strings.HasPrefix(path, "-") || !strings.Contains(path, "/") {
		return "./" + path
	}
	return path
}

// terminateWith asks all processes of the step to end when ctx ends, until
// release is called.
func (p *process) terminateWith(ctx context.Context, log func() *logrus.Entry) (release func()) {
	stop := context.AfterFunc(ctx, func() { p.terminate(log()) })
	return func() {
		stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.over = true
	}
}

func (p *process) terminate(entry *logrus.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if err := syscall.Kill(-p.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		entry.Errorf("send TERM to process group %d: %v", p.Pid, err)
	}
}
