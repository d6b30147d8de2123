package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"time"

	"cluster-agent/worker"
)

// pipeBuffer is what a Linux pipe holds at least before a writer has to wait:
// most hold 16 pages, but a user who has many pipes gets one page each, pipe(7).
const pipeBuffer = 4 << 10

// streams are the pipes between the agent and one step.
type streams struct {
	theirs  []*os.File // ends of the step, closed here once it has started
	ours    []*os.File // ends read here
	readers []func() error
	feed    func() // writes the input, if it does not fit into the pipe
	reading sync.WaitGroup
	feeding sync.WaitGroup
	call    *worker.Call
}

// connect gives cmd its descriptors: 0 the input, 1 and 2 output and error
// text, and for a task 3, the command channel.
func connect(cmd *exec.Cmd, call *worker.Call) (*streams, error) {
	s := &streams{call: call}
	err := errors.Join(
		s.input(cmd, call.Input()),
		s.output(&cmd.Stdout, call.Stdout()),
		s.output(&cmd.Stderr, call.Stderr()),
	)
	if _, ok := call.Task(); ok && err == nil {
		err = s.commands(cmd)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("connect step: %w", err)
	}
	return s, nil
}

// input hands data over. Most fits into the pipe at once and needs no goroutine.
func (s *streams) input(cmd *exec.Cmd, data []byte) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	s.theirs = append(s.theirs, read)
	cmd.Stdin = read
	if len(data) <= pipeBuffer {
		_, err := write.Write(data)
		return errors.Join(err, write.Close())
	}
	s.ours = append(s.ours, write)
	s.feed = func() {
		// A step need not read its input: a broken pipe is no failure.
		if _, err := write.Write(data); err == nil {
			s.note(write.Close())
		}
	}
	return nil
}

func (s *streams) output(end *io.Writer, sink io.Writer) error {
	read, err := s.pipe(func(write *os.File) { *end = write })
	if err != nil {
		return err
	}
	s.readers = append(s.readers, func() error {
		_, err := io.Copy(sink, read)
		return err
	})
	return nil
}

func (s *streams) commands(cmd *exec.Cmd) error {
	read, err := s.pipe(func(write *os.File) { cmd.ExtraFiles = []*os.File{write} })
	if err != nil {
		return err
	}
	complain := func(err error) { s.call.Log().Warnf("step %s: %v", cmd.Path, err) }
	s.readers = append(s.readers, func() error { return readCommands(read, s.call, complain) })
	return nil
}

func (s *streams) pipe(give func(write *os.File)) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.theirs = append(s.theirs, write)
	s.ours = append(s.ours, read)
	give(write)
	return read, nil
}

// started closes the step's ends here, so that their end is seen when the step
// closes them, and begins to read.
func (s *streams) started() {
	s.closeAll(s.theirs)
	s.theirs = nil
	for _, read := range s.readers {
		s.reading.Go(func() {
			if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
				s.note(err)
			}
		})
	}
	if s.feed != nil {
		s.feeding.Go(s.feed)
	}
}

// drain waits until everything the step wrote has been read; false if
// something still held a descriptor open after the time given. Input that
// nobody has read is not waited for.
func (s *streams) drain(patience time.Duration) bool {
	done := make(chan struct{})
	go func() {
		s.reading.Wait()
		close(done)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	}
	for _, file := range s.ours {
		s.note(file.SetDeadline(time.Now()))
	}
	<-done
	return false
}

func (s *streams) close() {
	s.closeAll(s.theirs)
	s.closeAll(s.ours)
	s.feeding.Wait()
}

func (s *streams) closeAll(files []*os.File) {
	for _, file := range files {
		s.note(file.Close())
	}
}

// note logs trouble with a pipe, which is nothing the step could help.
func (s *streams) note(err error) {
	if err != nil && !errors.Is(err, fs.ErrClosed) {
		s.call.Log().Warnf("pipe of a step: %v", err)
	}
}
