package spawn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// plan is what a new process does before it executes its file, and all that it needs for that. It
// is in use until then, by a process that the garbage collector knows nothing of: the plan belongs
// to the Process, which is there until it has been waited for.
type plan struct {
	args   cloneArgs
	calls  []call
	failed uintptr // what the call that failed returned: the number of the error, negative

	file      *byte
	argv, env []*byte
	mask      sigset
	limit     unix.Rlimit
}

// call is one system call with its arguments.
type call struct{ number, a, b, c, d uintptr }

// cloneArgs is struct clone_args of clone3(2), in its first version.
type cloneArgs struct {
	flags      uint64
	_          [3]uint64 // pidfd, child_tid, parent_tid
	exitSignal uint64
	_          [3]uint64 // stack, stack_size, tls
}

// sigset is the kernel's own set of signals.
type sigset uint64

// maxResult is the largest result of a system call that is no error.
const maxResult = ^uintptr(4095)

// newPlan makes the plan of a process whose descriptors are all out of the way.
func newPlan(c Command, limit *unix.Rlimit) (*plan, error) {
	// Without a stack of its own: the process does not use any.
	p := &plan{args: cloneArgs{flags: unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND, exitSignal: uint64(unix.SIGCHLD)}}
	var err error
	if p.file, err = syscall.BytePtrFromString(c.File); err != nil {
		return nil, err
	}
	if p.argv, err = syscall.SlicePtrFromStrings(c.Args); err != nil {
		return nil, err
	}
	if p.env, err = syscall.SlicePtrFromStrings(c.Env); err != nil {
		return nil, err
	}
	const others = 4
	p.calls = append(make([]call, 0, len(c.Descriptors)+others), call{number: unix.SYS_SETPGID})
	if limit != nil {
		p.limit = *limit
		p.calls = append(p.calls, call{unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, address(&p.limit), 0})
	}
	for n, fd := range c.Descriptors {
		p.calls = append(p.calls, call{number: unix.SYS_DUP3, a: uintptr(fd), b: uintptr(n)})
	}
	p.calls = append(p.calls,
		call{unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, address(&p.mask), 0, unsafe.Sizeof(p.mask)},
		call{
			number: unix.SYS_EXECVE,
			a:      address(p.file),
			b:      address(&p.argv[0]),
			c:      address(&p.env[0]),
		})
	return p, nil
}

// address is that of something in a plan, which does not move.
func address[T any](of *T) uintptr { return uintptr(unsafe.Pointer(of)) } //nolint:gosec // system calls take numbers
