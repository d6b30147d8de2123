package journal

import (
	"errors"
	"runtime"
)

// batch is what goes to disk together.
type batch struct {
	done    chan struct{} // closed when it is there, or failed to get there
	lead    chan struct{} // has the turn of the one who is to bring it there
	awaited bool          // somebody waits for either
	err     error
}

func newBatch() *batch {
	return &batch{done: make(chan struct{}), lead: make(chan struct{}, 1)}
}

// commit returns when a batch is on disk. One of those who wait brings it there,
// and who begins a task meanwhile waits for the next one: however many tasks begin
// at once, few writes of the disk do, and a single one goes without another goroutine.
func (j *Journal) commit(b *batch) error {
	j.mu.Lock()
	switch {
	case b != j.next: // another is bringing it to disk, or has
		j.mu.Unlock()
		<-b.done
		return b.err
	case j.leading:
		b.awaited = true
		j.mu.Unlock()
		select {
		case <-b.done:
			return b.err
		case <-b.lead:
		}
		return j.lead(b, true)
	default:
		j.leading = true
		busy := j.isBusy()
		j.mu.Unlock()
		return j.lead(b, busy)
	}
}

// isBusy tells whether others are at work. The task before may be one of the entries still: it is
// forgotten when its client has its result, and may have pushed the next. The caller holds the lock.
func (j *Journal) isBusy() bool { return len(j.entries) > 2 }

// lead brings a batch to disk, and passes the lead to one of those who wait for
// the next, if any do. busy says that other tasks are in progress.
func (j *Journal) lead(b *batch, busy bool) error {
	if busy {
		runtime.Gosched() // tasks that were fetched together begin together
	}
	j.mu.Lock()
	b.err = j.flush()
	generation, file, end := j.log.generation, j.log.files[j.log.current], j.log.end
	j.next = newBatch()
	j.mu.Unlock()

	if b.err == nil {
		b.err = j.disk.syncFile(file)
	}
	close(b.done)

	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case generation != j.log.generation: // it is full, and another has taken over
	case b.err != nil:
		j.log.giveUp()
	default:
		j.log.synced = end // not what was written meanwhile
	}
	if j.leading = j.next.awaited; j.leading {
		j.next.lead <- struct{}{}
		return b.err
	}
	j.late = errors.Join(j.late, j.flush())
	return b.err
}
