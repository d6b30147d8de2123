//go:build !amd64

package spawn

import "syscall"

// clone is not written for this machine.
func clone(*cloneArgs, *call, *uintptr) (result uintptr) { return ^uintptr(syscall.ENOSYS - 1) }
