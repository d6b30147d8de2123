// Package sigchld turns off the signal that tells of a child's exit.
//
// The Go runtime has a handler for SIGCHLD, so that package os/signal can be asked for it. Where
// nobody asks, each child that exits interrupts a thread for nothing: 2 to 3 % of what a step
// that does nothing costs an agent. Children are waited for as ever, wait4(2): the kernel would reap
// them by itself only if the signal were ignored, SIG_IGN.
package sigchld

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// signalSet is the size of the kernel's own set of signals, in bytes, on all machines but MIPS:
// sigprocmask(2), of which the C library's is another.
const signalSet = 8

// Off gives SIGCHLD its default action, which is none. The runtime does not know: package os/signal
// hears nothing of it any more.
func Off() error {
	// Zeros are SIG_DFL without any flags, and no kernel's struct sigaction has more of them.
	var none [64]byte
	//nolint:gosec // package os/signal cannot give back what the runtime has set by itself
	_, _, failed := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(syscall.SIGCHLD), uintptr(unsafe.Pointer(&none)), 0, signalSet, 0, 0)
	if failed != 0 {
		return fmt.Errorf("turn SIGCHLD off: rt_sigaction: %w", failed)
	}
	return nil
}
