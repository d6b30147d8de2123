package journal

// batch is what goes to disk together.
type batch struct {
	done chan struct{}
	err  error
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// wait returns when the batch is on disk.
func (b *batch) wait() error {
	<-b.done
	return b.err
}

// write appends a record; the caller holds the lock. One that begins a task has
// to be on disk soon.
func (j *Journal) write(r record) error {
	if j.log.end >= j.log.full {
		if err := j.log.begin(j.live()); err != nil {
			return err
		}
	}
	if err := j.log.append(r); err != nil {
		return err
	}
	if r.Kind == beginKind {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// commit brings one batch after another to disk. What is written meanwhile goes
// with the next: however many tasks begin at once, few writes of the disk do.
func (j *Journal) commit() {
	for {
		select {
		case <-j.wake:
			j.commitNext()
		case <-j.closed:
			j.commitNext()
			return
		}
	}
}

func (j *Journal) commitNext() {
	j.mu.Lock()
	batch, file := j.next, j.log.files[j.log.current]
	j.next = newBatch()
	j.mu.Unlock()
	batch.err = syncFile(file)
	close(batch.done)
}
