package aio

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T) *Queue {
	t.Helper()
	q, err := Open()
	if err != nil {
		t.Skipf("this kernel has no asynchronous I/O: %v", err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func TestFdatasync(t *testing.T) {
	t.Parallel()
	q := open(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := file.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		if err := q.Fdatasync(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRefused: what the kernel does not take at all is told from a disk that failed.
func TestRefused(t *testing.T) {
	t.Parallel()
	q := open(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	err = q.Fdatasync(writer)
	if _, refused := errors.AsType[*RefusedError](err); !refused || !errors.Is(err, unix.EINVAL) {
		t.Errorf("error is %v", err)
	}
	if err := errors.Join(reader.Close(), writer.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFailure: a disk that fails says so in the event.
func TestFailure(t *testing.T) {
	t.Parallel()
	if err := (event{result: -int64(unix.EIO)}).failure(); !errors.Is(err, unix.EIO) {
		t.Errorf("error is %v", err)
	}
	if err := (event{}).failure(); err != nil {
		t.Error(err)
	}
}
