package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal tells whether a person is likely to look at w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	connection, err := file.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = connection.Control(func(fd uintptr) {
		_, failure := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = failure == nil
	})
	return err == nil && terminal
}
