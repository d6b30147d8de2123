package script

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// bufferSize is that of one read from a stream; a pipe holds twice as much.
	bufferSize = 32 << 10
	// maxIdle bounds the watches that are kept for the next step.
	maxIdle = 32
)

// watch waits until something happens to one of a step's descriptors.
//
// It is an epoll set, and this set is what the runtime's poller watches. So the
// goroutine that runs the step can wait for all of its descriptors at once,
// without keeping a thread. With each of them in the poller by itself, as
// package os does it, a step would cost four files with finalizers and three
// goroutines with a buffer each; a watch is used again for the next step.
type watch struct {
	set    *os.File
	fd     int // of set
	conn   syscall.RawConn
	poll   func(uintptr) bool // what conn is asked to do: see look
	events [8]syscall.EpollEvent
	ready  int
	failed error
	buffer [bufferSize]byte
}

func newWatch() (*watch, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err = syscall.SetNonblock(fd, true); err != nil { // or package os would not have it polled
		return nil, errors.Join(os.NewSyscallError("fcntl", err), syscall.Close(fd))
	}
	w := &watch{set: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	w.poll = w.look
	w.conn, err = w.set.SyscallConn()
	if err = errors.Join(err, w.until(time.Time{})); err != nil { // it is not in the poller
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// add watches a descriptor for events; what happens is told with its number n.
func (w *watch) add(fd, n int, events uint32) error {
	event := syscall.EpollEvent{Events: events, Fd: int32(n)} //nolint:gosec // a step has four
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, fd, &event))
}

// drop forgets a descriptor. To close it is not enough: a process that is being
// forked may hold a copy of it, and with this what epoll watches.
func (w *watch) drop(fd int) error {
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_DEL, fd, nil))
}

// wait waits for events, or fails with [os.ErrDeadlineExceeded].
func (w *watch) wait() ([]syscall.EpollEvent, error) {
	w.ready = 0
	if err := w.conn.Read(w.poll); err != nil {
		return nil, err
	}
	return w.events[:w.ready], os.NewSyscallError("epoll_wait", w.failed)
}

func (w *watch) look(uintptr) bool {
	w.ready, w.failed = again(func() (int, error) { return syscall.EpollWait(w.fd, w.events[:], 0) })
	return w.ready != 0 || w.failed != nil
}

// until sets the time when a wait ends by itself.
func (w *watch) until(t time.Time) error {
	if err := w.set.SetReadDeadline(t); err != nil {
		return fmt.Errorf("limit the wait for a step: %w", err)
	}
	return nil
}

func (w *watch) close() error { return w.set.Close() }

// watches are those that no step uses right now.
type watches struct {
	mu     sync.Mutex
	idle   []*watch
	closed bool
}

func (s *watches) get() (*watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.idle) - 1; last >= 0 {
		w := s.idle[last]
		s.idle = s.idle[:last]
		return w, nil
	}
	return newWatch()
}

// put takes back a watch that watches nothing any more. How long it may wait is for the next
// step to say.
func (s *watches) put(w *watch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) == maxIdle {
		return w.close()
	}
	s.idle = append(s.idle, w)
	return nil
}

func (s *watches) close() (failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, w := range s.idle {
		failed = errors.Join(failed, w.close())
	}
	s.idle = nil
	return failed
}
