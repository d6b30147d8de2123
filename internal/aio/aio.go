// Package aio brings files to disk by the asynchronous I/O of Linux, io_submit(2), so
// that no thread waits: one that does keeps Go's scheduler looking, every 20 µs, whether
// others could use its processor.
package aio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue takes one file at a time.
type Queue struct {
	context uintptr  // aio_context_t
	ended   *os.File // an eventfd(2), which the kernel adds to when it is done
	request request
}

// request is struct iocb of linux/aio_abi.h.
type request struct {
	_          uint64
	_, _       uint32
	operation  uint16
	_          int16
	file       uint32
	_, _, _, _ uint64
	flags      uint32
	eventfd    uint32
}

// event is struct io_event of the same file.
type event struct {
	data, request uint64
	result        int64
	_             int64
}

// Of linux/aio_abi.h.
const (
	fdatasync    = 3 // IOCB_CMD_FDSYNC
	tellsEventfd = 1 // IOCB_FLAG_RESFD
)

// RefusedError says that the kernel has no queue for us, or does not take the request: before
// Linux 4.18, or for files of that kind, or because of a filter of system calls. Nothing has happened.
type RefusedError struct {
	Call string // the system call
	Err  error
}

// Error names the system call.
func (e *RefusedError) Error() string { return e.Call + ": " + e.Err.Error() }

// Unwrap returns what the kernel said.
func (e *RefusedError) Unwrap() error { return e.Err }

// Open asks the kernel for a queue, of which a machine has not many (/proc/sys/fs/aio-max-nr). An
// error is a [*RefusedError].
func Open() (*Queue, error) {
	q := &Queue{}
	_, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&q.context)), 0) //nolint:gosec // how the kernel takes it
	if errno != 0 {
		return nil, &RefusedError{"io_setup", errno}
	}
	eventfd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, &RefusedError{"eventfd", errors.Join(err, q.destroy())}
	}
	q.ended = os.NewFile(uintptr(eventfd), "eventfd")
	if err = q.ended.SetReadDeadline(time.Time{}); err != nil { // Go cannot wait for it without a thread
		return nil, &RefusedError{"eventfd", errors.Join(err, q.Close())}
	}
	q.request = request{operation: fdatasync, flags: tellsEventfd, eventfd: uint32(eventfd)} //nolint:gosec // small, and not negative
	return q, nil
}

// Fdatasync does what fdatasync(2) does, and returns its errors, or a [*RefusedError]. After any
// other error, which names a system call, the queue is of no use any more.
func (q *Queue) Fdatasync(file *os.File) error {
	q.request.file = uint32(file.Fd()) //nolint:gosec // descriptors are small
	requests := [1]*request{&q.request}
	_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, q.context, 1, uintptr(unsafe.Pointer(&requests))) //nolint:gosec // how the kernel takes it
	if errno != 0 {
		return &RefusedError{"io_submit", errno}
	}
	return q.wait()
}

// wait returns when the kernel is done, and what it came to.
func (q *Queue) wait() error {
	var done [8]byte
	if _, err := q.ended.Read(done[:]); err != nil {
		return fmt.Errorf("wait for the disk: %w", err)
	}
	if n := binary.NativeEndian.Uint64(done[:]); n != 1 {
		return fmt.Errorf("wait for the disk: %d requests came to their end, not 1", n)
	}
	var e event
	n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, q.context, 1, 1, uintptr(unsafe.Pointer(&e)), 0, 0) //nolint:gosec // how the kernel takes it
	if n != 1 {
		return fmt.Errorf("io_getevents: %w", errno)
	}
	return e.failure()
}

// failure is what a request came to: an error is a negative number.
func (e event) failure() error {
	if e.result < 0 {
		return unix.Errno(-e.result)
	}
	return nil
}

// Close gives the queue back, when the kernel is done.
func (q *Queue) Close() error { return errors.Join(q.destroy(), q.ended.Close()) }

func (q *Queue) destroy() error {
	if _, _, errno := unix.Syscall(unix.SYS_IO_DESTROY, q.context, 0, 0); errno != 0 {
		return fmt.Errorf("io_destroy: %w", errno)
	}
	return nil
}
