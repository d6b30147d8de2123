package script

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// A file that is open for writing cannot be executed (ETXTBSY): a package
// manager may be at it, or a process that was forked while the agent wrote it
// has not got to its own exec yet. Both are over soon, so there are 7 more
// tries, after 127 ms in all.
const (
	firstPause = time.Millisecond
	lastPause  = 64 * time.Millisecond
)

// process is a step that runs, the leader of a process group of its own.
type process struct {
	pid    int
	pidfd  int          // or none
	waited <-chan *exit // without pidfd: how it ended
	end    *exit        // nil: it runs

	mu   sync.Mutex
	over bool // the group's number may belong to others by now
}

// start runs the file at path, with the descriptors given as its 0, 1, 2…
//
// It is what package os/exec comes down to, without what a step has no use for:
// a search in PATH, sorting out the environment, files, goroutines.
func (r *Runner) start(ctx context.Context, path string, environ []string, descriptors []int) (*process, error) {
	p := &process{pidfd: none}
	attr := &syscall.ProcAttr{Env: environ, Files: make([]uintptr, len(descriptors)), Sys: &syscall.SysProcAttr{Setpgid: true}}
	for n, fd := range descriptors {
		attr.Files[n] = uintptr(fd)
	}
	file := asFile(path)
	var err error
	for pause := firstPause; ; pause *= 2 {
		p.pid, err = r.fork(file, attr)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, syscall.ETXTBSY) || pause > lastPause {
			return nil, &fs.PathError{Op: "fork/exec", Path: path, Err: err}
		}
		if err = wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// fork starts the file on a thread that has the step's timer slack, which it inherits.
func (r *Runner) fork(file string, attr *syscall.ProcAttr) (pid int, err error) {
	if ns := r.TimerSlack.Nanoseconds(); ns > 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0) //nolint:errcheck // a step with another slack is better than none
	}
	return syscall.ForkExec(file, []string{file}, attr)
}

// asFile keeps the interpreter of a script from taking its path for an option,
// or for a name that is searched in PATH.
func asFile(path string) string {
	if strings.HasPrefix(path, "-") || !strings.Contains(path, "/") {
		return "./" + path
	}
	return path
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	if err := syscall.Kill(-p.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		entry.Errorf("send TERM to process group %d: %v", p.pid, err)
	}
}
