package script

import (
	"errors"
	"os"
	"syscall"
)

// none stands where a descriptor was.
const none = -1

// pipes are those between the agent and one step, as bare descriptors: package
// os would make both ends of each non-blocking, watch them, and give them
// finalizers, also the ends of the step, which are closed a moment later.
type pipes struct {
	theirs []int // by the number that the step knows them by
	ours   []int // the other end of each
}

// openPipes makes n pipes: the step reads from the first and writes to the others.
func openPipes(n int) (pipes, error) {
	p := pipes{theirs: make([]int, 0, n), ours: make([]int, 0, n)}
	for i := range n {
		var ends [2]int
		// Close-on-exec from the first moment: a step that is started right now
		// by another goroutine must not inherit them.
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			return p, errors.Join(os.NewSyscallError("pipe2", err), p.close())
		}
		theirs, ours := ends[1], ends[0]
		if i == 0 {
			theirs, ours = ours, theirs
		}
		p.theirs, p.ours = append(p.theirs, theirs), append(p.ours, ours)
	}
	return p, nil
}

// closeTheirs closes the step's ends here, so that their end is seen when the
// step closes them.
func (p *pipes) closeTheirs() error { return closeAll(p.theirs) }

// closeOurs closes the agent's end of pipe n.
func (p *pipes) closeOurs(n int) error { return closeEnd(&p.ours[n]) }

// close closes what is left; it may be called twice.
func (p *pipes) close() error { return errors.Join(closeAll(p.theirs), closeAll(p.ours)) }

func closeAll(ends []int) (failed error) {
	for i := range ends {
		failed = errors.Join(failed, closeEnd(&ends[i]))
	}
	return failed
}

func closeEnd(fd *int) (err error) {
	if *fd != none {
		err = os.NewSyscallError("close", syscall.Close(*fd))
		*fd = none
	}
	return err
}
