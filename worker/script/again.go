package script

import (
	"errors"
	"syscall"
)

// again calls do until no signal interrupts it.
func again(do func() (int, error)) (int, error) {
	for {
		n, err := do()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
