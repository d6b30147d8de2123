package script

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// maxLeftBehind bounds the streams that are read on, each of which costs a
// goroutine and a descriptor.
const maxLeftBehind = 64

// leftBehind are streams that background processes keep open although their
// step is over. What they print is read and dropped: a daemon that a step has
// started must not die of a broken pipe at the next line it prints.
type leftBehind struct {
	mu      sync.Mutex
	files   map[*os.File]struct{}
	closed  bool
	reading sync.WaitGroup
}

// take reads a stream to its end. It closes it instead, and returns false, if
// too many are read already.
func (l *leftBehind) take(file *os.File, note func(error)) bool {
	note(file.SetReadDeadline(time.Time{}))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.files) == maxLeftBehind {
		note(file.Close())
		return false
	}
	if l.files == nil {
		l.files = make(map[*os.File]struct{})
	}
	l.files[file] = struct{}{}
	l.reading.Go(func() { l.read(file, note) })
	return true
}

func (l *leftBehind) read(file *os.File, note func(error)) {
	_, err := io.Copy(io.Discard, file)
	note(err)
	note(file.Close())
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.files, file)
}

// close lets go of all streams, and returns when nothing reads them any more.
func (l *leftBehind) close() error {
	err := l.closeFiles()
	l.reading.Wait()
	return err
}

func (l *leftBehind) closeFiles() (failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for file := range l.files {
		if err := file.Close(); !errors.Is(err, os.ErrClosed) { // it may be at its end just now
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
