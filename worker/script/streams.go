package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"cluster-agent/worker"
)

// onePage is what a pipe holds at least before a writer has to wait: most hold
// 16 pages, but a user who has many pipes gets one page each, pipe(7).
const onePage = 4 << 10

// streams are what goes through the pipes of one step. All is done by the
// goroutine that runs the step, when the watch says that there is something to do.
type streams struct {
	pipes   pipes
	watch   *watch
	input   []byte   // what is not in the pipe yet
	outputs []output // what the step writes to its descriptors 1, 2…
	open    int      // how many of them are not at their end
	note    func(error)
}

// output is where a stream goes to.
type output struct {
	io.Writer
	end func() // called at its end; may be nil
}

// connect makes the descriptors of a step: 0 the input, 1 and 2 output and
// error text, and for a task 3, the command channel.
func (r *Runner) connect(path string, call *worker.Call) (*streams, error) {
	s := &streams{input: call.Input(), note: pipeNotes(call), outputs: make([]output, 2, 3)}
	s.outputs[0].Writer, s.outputs[1].Writer = call.Stdout(), call.Stderr()
	if _, ok := call.Task(); ok {
		commands := &channel{call: call, complain: func(err error) { call.Log().Warnf("step %s: %v", path, err) }}
		s.outputs = append(s.outputs, output{commands, commands.end})
	}
	var err error
	if s.pipes, err = openPipes(1 + len(s.outputs)); err != nil {
		return nil, err
	}
	if s.watch, err = r.watches.get(); err != nil {
		return nil, errors.Join(err, s.pipes.close())
	}
	if err = s.begin(); err != nil {
		return nil, errors.Join(err, s.pipes.close(), s.watch.close())
	}
	return s, nil
}

func (s *streams) begin() error {
	for n := 1; n < len(s.pipes.ours); n++ {
		if err := s.watch.add(s.pipes.ours[n], n, syscall.EPOLLIN); err != nil {
			return err
		}
		s.open++
	}
	if len(s.input) > onePage {
		return s.beginFeeding()
	}
	if _, err := syscall.Write(s.pipes.ours[0], s.input); err != nil {
		return os.NewSyscallError("write", err)
	}
	return s.pipes.closeOurs(0)
}

// beginFeeding prepares for input that may not fit into the pipe at once.
func (s *streams) beginFeeding() error {
	if err := syscall.SetNonblock(s.pipes.ours[0], true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return s.watch.add(s.pipes.ours[0], 0, syscall.EPOLLOUT)
}

// feeds tells whether there is input that the step has not taken.
func (s *streams) feeds() bool { return s.pipes.ours[0] != none }

// happened does what there is to do about one of the descriptors.
func (s *streams) happened(event syscall.EpollEvent) {
	n := int(event.Fd)
	switch {
	case n == 0:
		s.feed()
	case event.Events&syscall.EPOLLIN != 0:
		s.read(n)
	default: // nothing is in the pipe, and nobody has its other end
		s.ended(n)
	}
}

// feed writes as much of the input as fits into the pipe.
func (s *streams) feed() {
	written, err := again(func() (int, error) { return syscall.Write(s.pipes.ours[0], s.input) })
	if errors.Is(err, syscall.EAGAIN) {
		return
	}
	s.input = s.input[max(written, 0):]
	// A step need not read its input: a broken pipe is no failure.
	if err != nil || len(s.input) == 0 {
		s.stop(0)
	}
}

func (s *streams) read(n int) {
	size, err := again(func() (int, error) { return syscall.Read(s.pipes.ours[n], s.watch.buffer[:]) })
	if err != nil {
		s.note(fmt.Errorf("read: %w", err))
	}
	if size <= 0 {
		s.ended(n)
		return
	}
	// The step is not to suffer from a sink that fails: it goes on unheard.
	if _, err = s.outputs[n-1].Write(s.watch.buffer[:size]); err != nil {
		s.note(err)
		s.outputs[n-1].Writer = io.Discard
	}
}

func (s *streams) ended(n int) {
	if end := s.outputs[n-1].end; end != nil {
		end()
	}
	s.stop(n)
	s.open--
}

// stop is done with descriptor n.
func (s *streams) stop(n int) {
	s.note(s.watch.drop(s.pipes.ours[n]))
	s.note(s.pipes.closeOurs(n))
}

// endWithin tells whether all outputs end within some time.
func (s *streams) endWithin(limit time.Duration) bool {
	s.limit(limit)
	for s.open > 0 {
		events, err := s.watch.wait()
		if err != nil {
			return false
		}
		for _, event := range events {
			s.happened(event)
		}
	}
	return true
}

// limit has the wait for what is still open end by itself.
func (s *streams) limit(patience time.Duration) {
	if s.open > 0 {
		s.note(s.watch.until(time.Now().Add(patience)))
	}
}

// giveAway returns those outputs that are still open.
func (s *streams) giveAway() (files []*os.File) {
	for n := 1; n < len(s.pipes.ours); n++ {
		fd := s.pipes.ours[n]
		if fd == none {
			continue
		}
		s.note(s.watch.drop(fd))
		s.note(syscall.SetNonblock(fd, true)) // so that the file can be closed while it is read
		files = append(files, os.NewFile(uintptr(fd), "pipe"))
		s.pipes.ours[n] = none
	}
	return files
}

// close closes what belongs to nobody else.
func (s *streams) close(watches *watches) {
	for n, fd := range s.pipes.ours {
		if fd != none {
			s.stop(n)
		}
	}
	s.note(s.pipes.close())
	s.note(watches.put(s.watch))
}

// pipeNotes makes a function that logs trouble with a pipe, which is nothing
// that the step could help.
func pipeNotes(call *worker.Call) func(error) {
	return func(err error) {
		if err != nil && !errors.Is(err, fs.ErrClosed) {
			call.Log().Warnf("pipe of a step: %v", err)
		}
	}
}
