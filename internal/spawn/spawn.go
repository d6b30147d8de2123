// Package spawn starts processes without waiting until they execute their file.
//
// What package syscall has (ForkExec) holds the thread that calls it, and with it one of the
// processors that the Go runtime may use, until the new process executes its file or fails to
// (CLONE_VFORK of clone(2)). A program that starts processes all the time loses a
// fifteenth of its throughput by that, and more the fewer processors there are. Here the new process goes its
// own way as soon as it is there, and whether it came to execute its file is known when it has
// ended. It lives in the starter's memory until then, next to everything else that happens
// there, so it runs no Go code: it carries out a list of system calls that was made before, in registers alone.
package spawn

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Command is what a process is to execute.
type Command struct {
	File        string   // not searched for in PATH
	Args        []string // with the name of the program as the first
	Env         []string // NAME=value
	Descriptors []int    // its 0, 1, 2…
}

// Starter starts processes. Its zero value is ready for use, by several goroutines. All descriptors of
// the program have to be close-on-exec from their first moment, as packages os and net make them:
// syscall.ForkLock is not taken.
type Starter struct {
	Plain bool // always by syscall.ForkExec, as where the system has nothing else

	unable  atomic.Bool // the system has nothing else
	limited sync.Once
	limit   unix.Rlimit // see openFiles
	unknown error
}

// Process is one that was started, the leader of a process group of its own. It has to be waited for, wait4(2).
type Process struct {
	Pid int

	plan *plan // nil: it has executed its file
}

// Start starts a process with the signals, and the limit of open files, that package syscall would give it.
//
// Errors are of type [syscall.Errno]: those of clone(2), EINVAL for a zero byte in a string. Those of
// execve(2) may come from here, or from [Process.Failure].
func (s *Starter) Start(c Command) (*Process, error) {
	limit, err := s.openFiles()
	if s.Plain || err != nil || s.unable.Load() {
		return forkExec(c)
	}
	p, err := start(c, limit)
	if errors.Is(err, errUnable) {
		s.unable.Store(true)
		return forkExec(c)
	}
	return p, err
}

// Failure says why the process did not execute its file, an error of execve(2); nil if it did. Until
// the process has been waited for that is not known, and nil.
func (p *Process) Failure() error {
	if p.plan == nil {
		return nil
	}
	if failed := syscall.Errno(-atomic.LoadUintptr(&p.plan.failed)); failed != 0 {
		return failed
	}
	return nil
}

func forkExec(c Command) (*Process, error) {
	attr := &syscall.ProcAttr{Env: c.Env, Files: make([]uintptr, len(c.Descriptors)), Sys: &syscall.SysProcAttr{Setpgid: true}}
	for n, fd := range c.Descriptors {
		attr.Files[n] = uintptr(fd)
	}
	pid, err := syscall.ForkExec(c.File, c.Args, attr)
	if err != nil {
		return nil, err
	}
	return &Process{Pid: pid}, nil
}

func start(c Command, limit *unix.Rlimit) (*Process, error) {
	descriptors, lifted, err := outOfTheWay(c.Descriptors)
	if err != nil {
		return nil, err
	}
	defer closeAll(lifted)
	c.Descriptors = descriptors
	p, err := newPlan(c, limit)
	if err != nil {
		return nil, err
	}
	pid, err := p.begin()
	if err != nil {
		return nil, err
	}
	// Also done by the process itself: whoever is first, the group is there when this returns, and when
	// the file is executed. After that it is refused here, EACCES.
	_ = syscall.Setpgid(pid, pid) //nolint:errcheck // see above
	return &Process{Pid: pid, plan: p}, nil
}

// begin has a new process carry the plan out. While that begins no signal may reach it, nor this thread:
// in the process, those that are caught here have no handler, and are to have their way with it alone.
func (p *plan) begin() (pid int, err error) {
	every := ^sigset(0)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := setMask(&every, &p.mask); err != nil {
		return 0, err
	}
	result := clone(&p.args, &p.calls[0], &p.failed)
	if err := setMask(&p.mask, nil); err != nil {
		return 0, err
	}
	if result > maxResult {
		return 0, cloneError(syscall.Errno(-result))
	}
	return int(result), nil
}

// errUnable says that this system does not start processes in this way.
var errUnable = errors.New("clone3 is not to be had")

// cloneError tells Linux before 5.5, which does not know the call or CLONE_CLEAR_SIGHAND, and a
// sandbox that does not know the call, or does not let it pass, from a lack of means.
func cloneError(failure syscall.Errno) error {
	if slices.Contains([]syscall.Errno{syscall.ENOSYS, syscall.EINVAL, syscall.EPERM}, failure) {
		return errUnable
	}
	return failure
}

func setMask(mask, old *sigset) error {
	//nolint:gosec // package unix has a function for it that goes on where this one may not
	_, _, failed := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(mask)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(*mask), 0, 0)
	if failed != 0 {
		return failed
	}
	return nil
}
