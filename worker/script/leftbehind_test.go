package script

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// TestLeftBehindIsBounded: beyond the bound, a stream is closed.
func TestLeftBehindIsBounded(t *testing.T) { //nolint:paralleltest // a process that others fork has copies of the pipes for a moment
	var left leftBehind
	note := func(err error) {
		if err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	}
	writers := make([]*os.File, 0, maxLeftBehind+2)
	for i := range cap(writers) {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, write)
		if taken := left.take(read, note); taken != (i < maxLeftBehind) {
			t.Fatalf("stream %d is taken: %v", i, taken)
		}
	}
	for i, write := range writers {
		if _, err := write.WriteString("a line\n"); errors.Is(err, syscall.EPIPE) != (i >= maxLeftBehind) {
			t.Errorf("write to stream %d: %v", i, err)
		}
	}
	if err := left.close(); err != nil {
		t.Fatal(err)
	}
	for i, write := range writers {
		if _, err := write.WriteString("a line\n"); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to stream %d after the end: %v", i, err)
		}
		note(write.Close())
	}
	if len(left.files) != 0 {
		t.Errorf("%d streams are read after the end", len(left.files))
	}
}
