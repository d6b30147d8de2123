package spawn

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// sample is a program that leaves its limits alone.
const sample = "/bin/true"

// openFiles returns the limit of open files that the process is to be given; nil: it keeps the starter's.
//
// The Go runtime raises its own to one less than it may, since programs that use select(2) want a
// low one, and gives the processes that it starts what it found. What that was it tells nobody: it is asked of such a process.
func (s *Starter) openFiles() (*unix.Rlimit, error) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		return nil, fmt.Errorf("read the limit of open files: %w", err)
	}
	if own.Cur != own.Max-1 {
		return nil, nil //nolint:nilnil // nothing was raised, or somebody has set another one since
	}
	s.limited.Do(func() { s.limit, s.unknown = limitOf(sample) })
	return &s.limit, s.unknown
}

// limitOf returns the limit of open files of a process that the Go runtime starts.
func limitOf(program string) (limit unix.Rlimit, err error) {
	pid, err := syscall.ForkExec(program, []string{program}, nil)
	if err != nil {
		return limit, fmt.Errorf("start %s: %w", program, err)
	}
	if err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		err = fmt.Errorf("read the limit of open files of %s: %w", program, err)
	}
	var waiting error
	for waiting = syscall.EINTR; errors.Is(waiting, syscall.EINTR); {
		_, waiting = syscall.Wait4(pid, nil, 0, nil)
	}
	return limit, errors.Join(err, waiting)
}
