package spawn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// outOfTheWay returns descriptors of the same files, none of which has a number that the process is
// to know another one by: it would be overwritten before it is used. Those that were made for that are to be closed.
func outOfTheWay(descriptors []int) (free, made []int, err error) {
	free = descriptors
	for n, fd := range descriptors {
		if fd >= len(descriptors) {
			continue
		}
		if made == nil {
			free = append([]int(nil), descriptors...)
		}
		higher, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, len(descriptors))
		if err != nil {
			closeAll(made)
			return nil, nil, err
		}
		free[n], made = higher, append(made, higher)
	}
	return free, made, nil
}

func closeAll(descriptors []int) {
	for _, fd := range descriptors {
		_ = syscall.Close(fd) //nolint:errcheck // whatever close(2) says, it is gone
	}
}
