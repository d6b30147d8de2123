package script

import (
	"cmp"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cluster-agent/worker"
)

// exit is how a process ended.
type exit struct {
	status syscall.WaitStatus
	err    error // of the waiting
}

// processExit is the number by which a watch tells that the process has exited.
const processExit = -1

// defaultMoment is how long the ends of a step's streams alone are waited for.
const defaultMoment = 50 * time.Millisecond

// attend sees a step to its end: until it has exited and its streams have ended
// too, or are still open after the drain time. Input that nobody has read is
// not waited for.
//
// Most steps are over in a moment, and their streams end when they exit: to
// watch for the exit itself would be a tenth of all that such a step costs. The
// price is a thread for a step that closes its streams at once and goes on.
func (r *Runner) attend(p *process, s *streams) {
	if s.endWithin(cmp.Or(r.moment, defaultMoment)) && !s.feeds() {
		p.end = p.reap(0)
		return
	}
	s.note(s.watch.until(time.Time{})) // that moment is over
	patience := cmp.Or(r.DrainTime, defaultDrainTime)
	r.watchExit(p, s)
	for p.end == nil || s.open > 0 {
		events, err := s.watch.wait()
		switch {
		case err != nil && p.end != nil:
			return // out of patience
		case err != nil:
			p.await(s)
			s.limit(patience)
		}
		for _, event := range events {
			if event.Fd != processExit {
				s.happened(event)
			} else if p.look(s) {
				s.limit(patience)
			}
		}
	}
}

// watchExit has the watch tell when the process has exited. The pidfd spares a
// thread for each step that runs, which would do nothing but wait. Where there
// is none (before Linux 5.3, or in a sandbox), there is such a thread, and it
// interrupts the watch.
func (r *Runner) watchExit(p *process, s *streams) {
	if fd, err := r.pidfd(p.Pid); err == nil {
		// Edge-triggered: to its pidfd, a process that is being traced has exited
		// before it can be reaped; when it can, it is told of once more.
		if p.pidfd = fd; s.watch.add(fd, processExit, unix.EPOLLIN|unix.EPOLLET) == nil {
			return
		}
		s.note(closeEnd(&p.pidfd))
	}
	waited := make(chan *exit, 1)
	p.waited = waited
	go func() {
		end := p.reap(0)
		s.note(s.watch.until(time.Now())) // before it is known: then the watch may be another step's
		waited <- end
	}()
}

func (r *Runner) pidfd(pid int) (int, error) {
	if r.openPidfd != nil {
		return r.openPidfd(pid)
	}
	return unix.PidfdOpen(pid, 0)
}

// look looks whether the process can be reaped when its pidfd says so.
func (p *process) look(s *streams) bool {
	p.end = p.reap(syscall.WNOHANG)
	if p.end == nil {
		return false
	}
	p.unwatch(s)
	return true
}

// await returns when the process has exited, if a thread waits for that or the
// watch cannot.
func (p *process) await(s *streams) {
	if p.waited != nil {
		p.end = <-p.waited
		return
	}
	p.end = p.reap(0)
	p.unwatch(s)
}

func (p *process) unwatch(s *streams) {
	s.note(s.watch.drop(p.pidfd))
	s.note(closeEnd(&p.pidfd))
}

// reap waits for the process as options say; nil: it still runs. That is done
// as soon as it has exited, whoever still holds its pipes: a background process
// may be waiting for its number to be gone.
func (p *process) reap(options int) *exit {
	var end exit
	pid, err := again(func() (int, error) { return syscall.Wait4(p.Pid, &end.status, options, nil) })
	if pid == 0 && err == nil {
		return nil
	}
	end.err = err
	return &end
}

// step is the end of the process as the step's error: its exit code, or 128+n
// if signal n killed it.
func (e *exit) step() error {
	switch {
	case e.err != nil:
		return fmt.Errorf("wait for step: %w", e.err)
	case e.status.Signaled():
		return worker.Exit(128+int(e.status.Signal()), nil)
	case e.status.ExitStatus() != 0:
		return worker.Exit(e.status.ExitStatus(), nil)
	default:
		return nil
	}
}
