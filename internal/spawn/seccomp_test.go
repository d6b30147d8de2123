package spawn_test

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// install has a filter hold for all threads of this process.
func install(filter *unix.SockFprog) error {
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(filter)))
	if failed != 0 {
		return failed
	}
	return nil
}
