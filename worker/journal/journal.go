// Package journal remembers on disk how far each task of an agent has come, so
// that an agent that was killed knows afterwards what it had started.
//
// A journal is a directory:
//
//	lock        held by the agent that works with it; its process id
//	log.0 log.1 one of them is written to, record by record; when it is full, what
//	            still counts goes to the other
//	result-KEY  a result that Redis did not take; with a dot before it, one that is
//	            being written
//	unreadable-result-KEY
//	            one that could not be read, for somebody to look at; the last 8
//
// A record is a line: a checksum, a space, JSON. The checksum (CRC-32C,
// hexadecimal) covers a number of the log's own too, so that what an earlier one
// left behind the end in the same file is no record. The files are filled with
// zeros in advance: a record changes no metadata, as a rule needs no space on a disk
// that has become full, and is on disk after one fdatasync(2).
//
// A part of a log may be missing. Not every hole is damage: after a failure of the power, of what was
// written since the last sync any part may be missing, and what stands behind it be there. Nothing
// was promised of that: a task whose beginning was lost so was not started, or may run twice.
// Hence each record says up to where the log was on disk when it was made, and the first line how
// long the file was. A line that is no record, and begins before the last place of which a record
// says that, was there and is damaged; a file that is shorter than it was has been cut off. What is
// missing behind that place cannot be told from what the power took, and is the end of the log.
// The first line stands at the file's end, too: without it, the older log would count again.
// A newer log that was lost as a whole is noticed if its file is blank; noise over its whole
// length cannot be told from a log whose writing the power cut short.
// Logs of earlier versions have none of that: of them, only the usual size of a file is known.
//
// Of a damaged log the records that are left count, but do not tell which other tasks had been
// started, nor of a task that it was not. So a warning is given, and the journal becomes another
// instance's, as it does if no log can be read: what the one before had in progress is settled as if
// it had been started, whatever is known of it. Tasks that come later are not concerned, nor are
// later lives: the log that the new instance begins is whole.
//
// A copy of a journal is no better. The one that it was made of is in use, or has been since, if the
// copy is a backup: both would be one instance, whose agents run each other's tasks, and of what was
// started after the copy was made that one would say that it was not. So the first line of a log tells its
// home, the machine and the file that it was begun in, and one that is read elsewhere becomes another
// instance's, too. What it had in progress is forgotten, unless its result was kept: it may have ended, and
// been told, since the copy was made, and what has not is found in the list of the instance before.
// Logs of earlier versions tell no home, and pass for no copies.
//
// That a task is begun is on disk before the wait of [Journal.Begin] returns. Which step
// it has come to is only written, which survives a kill and not a power failure: after
// one, a task that was begun counts as started. The end of a task may be written a little
// later: until then a kill leaves a task whose result the board turns out to have.
//
// What a task came to stays in the logs after its end, until they are written anew: see
// [Journal.Ended]. It is only written, too.
package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"cluster-agent/worker"
)

// Journal is a directory in the hands of one agent. All methods may be called
// at once. It is a [worker.Journal].
type Journal struct {
	dir      string
	disk     disk
	lock     *os.File
	boot     string // of the machine, now
	instance string

	mu      sync.Mutex
	entries map[string]*entry // by the tasks' keys
	ended   []worker.Ended    // in earlier lives, the last one last
	kept    int64             // bytes of results kept
	log     *log
	// unwritten are lines of records. The beginnings of tasks are written by who brings them
	// to disk, many at once, and their ends with them if that is about to happen.
	unwritten []byte
	next      *batch // what nobody has begun to bring to disk
	leading   bool   // somebody brings a batch to disk, and writes then what is unwritten
	late      error  // of ends that somebody else wrote; the next end tells
}

var _ worker.Journal = (*Journal)(nil)

// Open takes the directory, which is made if it is not there, and reads what an
// earlier life has left. A [*TakenError] means that another process works with it.
// The warning tells of a log that is damaged or a copy, or of a log or a result that could not be read;
// the journal goes on with what is left.
func Open(dir string) (j *Journal, warning, err error) {
	return open(dir, usual())
}

// options are what tests have of their own.
type options struct {
	disk        disk
	logSize     int
	newInstance func() string
	newSalt     func() int64
	home        func(*os.File) (home, error)
}

func usual() options {
	return options{
		disk: realDisk{}, logSize: logSize, newInstance: newInstance, newSalt: rand.Int64,
		home: func(file *os.File) (home, error) { return homeOf(file, machineFile) },
	}
}

func open(dir string, o options) (j *Journal, warning, err error) {
	if err = os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make journal: %w", err)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, nil, err
	}
	j = &Journal{dir: dir, disk: o.disk, lock: lock, entries: map[string]*entry{}, next: newBatch()}
	if warning, err = j.load(o); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open journal %s: %w", dir, err), lock.Close())
	}
	return j, warning, nil
}

// Instance names the agent that the directory belongs to, in all of its lives:
// 32 hexadecimal digits.
func (j *Journal) Instance() string { return j.instance }

// Close gives the directory back. Nobody may use the journal any more.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.late, j.flush(), j.log.close(), j.lock.Close())
}

// Past implements [worker.Journal].
func (j *Journal) Past(task worker.Task) worker.Past {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entries[task.Key]; e != nil {
		return e.past(j.boot)
	}
	return worker.Past{}
}

// Left implements [worker.Journal].
func (j *Journal) Left() []worker.Task {
	j.mu.Lock()
	defer j.mu.Unlock()
	var left []worker.Task
	for key, e := range j.entries {
		for range e.left {
			if e.running == 0 {
				left = append(left, worker.Task{ID: e.id, Action: e.action, Key: key})
			}
		}
	}
	return left
}

// Begin implements [worker.Journal].
func (j *Journal) Begin(task worker.Task, step string) (wait func() error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[task.Key]
	if e == nil {
		e = &entry{id: task.ID, action: task.Action}
		j.entries[task.Key] = e
	}
	e.left = max(0, e.left-1)        // it is one of those, as a rule: they are handed out first
	if e.running++; e.running == 1 { // else an equal one runs, and how far that has come counts
		if e.begun == 0 || e.past(j.boot).Started {
			e.begun++
		}
		e.boot, e.step = j.boot, step
	}
	err := j.note(e.record(task.Key))
	if err == nil && step != "" {
		err = j.flush() // nobody need wait for the disk
	}
	if err != nil {
		return func() error { return err }
	}
	batch := j.next
	return func() error { return j.commit(batch) }
}

// Step implements [worker.Journal].
func (j *Journal) Step(task worker.Task, name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[task.Key]
	if e == nil {
		return nil
	}
	e.step = name
	if err := j.note(record{Kind: stepKind, Key: task.Key, ID: e.id, Action: e.action, Step: name}); err != nil {
		return err
	}
	return j.flush()
}

// Forget implements [worker.Journal].
func (j *Journal) Forget(task worker.Task, result *worker.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[task.Key]
	if e == nil {
		return nil
	}
	if e.running > 0 {
		e.running--
	} else {
		e.left--
	}
	hadResult, dropped := e.result > 0, j.drop(task.Key, e) // an equal one has a result of its own
	last := endRecord(task.Key, result, time.Now())
	if e.running+e.left > 0 {
		last = e.record(task.Key)
	} else {
		delete(j.entries, task.Key)
	}
	err := j.note(last)
	if err == nil && (!j.leading || hadResult) { // else that one writes it
		err = j.flush()
	}
	err, j.late = errors.Join(j.late, err, dropped), nil
	return err
}

// Leave implements [worker.Journal].
func (j *Journal) Leave(task worker.Task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entries[task.Key]; e != nil && e.running > 0 {
		e.running--
		e.left++
	}
}
