package journal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cluster-agent/worker"
)

// beginBeside has a task begin, and returns when it waits for the batch after the one that is
// under way; later, begun tells how it went.
func (j *Journal) beginBeside(t *testing.T, n int) (begun <-chan error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- j.Begin(task(n), "")() }()
	for !j.hasWaiting() {
		if len(ended) > 0 {
			t.Fatalf("did not wait: %v", <-ended)
		}
		runtime.Gosched()
	}
	return ended
}

// hasWaiting tells whether somebody waits for the batch after the one that is under way.
func (j *Journal) hasWaiting() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next.awaited
}

// peek is what is not written yet.
func (j *Journal) peek() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.unwritten)
}

// useFile has the journal write to another file, and returns the one before.
func (j *Journal) useFile(file *os.File) (before *os.File) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before, j.log.files[j.log.current] = j.log.files[j.log.current], file
	return before
}

// breakFile has nothing be written any more, until mend is called.
func (j *Journal) breakFile(t *testing.T) (mend func()) {
	t.Helper()
	readOnly, err := os.Open(logPath(j.dir, j.log.current))
	must(t, err)
	good := j.useFile(readOnly)
	return func() {
		j.useFile(good)
		must(t, readOnly.Close())
	}
}

// TestEndIsWrittenByLead: the end of a task is written by who brings others to disk meanwhile, as
// soon as that is done, be it with the next beginning or not.
func TestEndIsWrittenByLead(t *testing.T) {
	t.Parallel()
	for name, follows := range map[string]bool{"another begins": true, "nobody does": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := life(t, dir)
			must(t, j.Begin(task(1), "")())
			d := newSlowDisk("log.")
			j.disk = d
			first, second := make(chan error, 1), (<-chan error)(nil)
			go func() { first <- j.Begin(task(2), "")() }()
			<-d.writing
			if follows {
				second = j.beginBeside(t, 3)
			}
			must(t, j.Forget(task(1), &worker.Result{}))
			if !strings.Contains(j.peek(), task(1).Key) {
				t.Errorf("to be written is %q", j.peek())
			}
			d.goOn <- struct{}{}
			must(t, <-first)
			if follows {
				<-d.writing
				d.goOn <- struct{}{}
				must(t, <-second)
			}
			if j.peek() != "" {
				t.Errorf("not written is %q", j.peek())
			}
			j.kill(t)
			j = life(t, dir)
			defer func() { must(t, j.Close()) }()
			if past := j.Past(task(1)); past != (worker.Past{}) {
				t.Errorf("past of what has ended is %+v", past)
			}
		})
	}
}

// TestBegunWithStepIsWritten: that survives a kill, though nobody waits for the disk.
func TestBegunWithStepIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	j.Begin(task(1), "10a")
	j.kill(t)
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	if past := j.Past(task(1)); past.Step != "10a" {
		t.Errorf("past is %+v", past)
	}
}

// TestWriteFails: who waits for a beginning that cannot be written is told so, and what
// comes later goes to the other file, where nothing is missing.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	mend := j.breakFile(t)
	if err := j.Step(task(1), "10a"); err == nil {
		t.Error("a step is written, and cannot be")
	}
	if err := j.Begin(task(2), "")(); err == nil || !strings.Contains(err.Error(), "write journal") {
		t.Errorf("error is %v", err)
	}
	must(t, j.Begin(task(3), "")()) // goes to the other file
	j.log.current = 1 - j.log.current
	mend()
	j.kill(t)
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	for n, want := range map[int]worker.Past{
		1: {Begun: 1, Started: true, Step: "10a"}, // it may have been: who asked for it was told that it is not
		3: {Begun: 1},
	} {
		if past := j.Past(task(n)); past != want {
			t.Errorf("past of %d is %+v, want %+v", n, past, want)
		}
	}
}

// TestOthersEndFails: an end that cannot be written is no failure of the task that was brought to
// disk meanwhile. The next end tells of it, and it is written as soon as that is possible.
func TestOthersEndFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	for n := range 2 {
		must(t, j.Begin(task(n), "")())
	}
	d := newSlowDisk("log.")
	j.disk = d
	begun := make(chan error)
	go func() { begun <- j.Begin(task(2), "")() }()
	<-d.writing
	must(t, j.Forget(task(0), &worker.Result{}))
	mend := j.breakFile(t)
	d.goOn <- struct{}{}
	must(t, <-begun)
	mend()
	if err := j.Forget(task(1), &worker.Result{}); err == nil || !strings.Contains(err.Error(), "write journal") {
		t.Errorf("error is %v", err)
	}
	j.kill(t)
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	if left := keysOf(j.Left()); len(left) != 1 || left[0] != task(2).Key {
		t.Errorf("left are %v", left)
	}
}

// TestFailureIsOver: what failed once fails nobody later.
func TestFailureIsOver(t *testing.T) {
	t.Parallel()
	j := life(t, t.TempDir())
	must(t, j.Begin(task(1), "")())
	j.log.giveUp()
	j.log.disk = brokenDisk{}
	if err := j.Forget(task(1), nil); !errors.Is(err, errDisk) {
		t.Errorf("error is %v", err)
	}
	j.log.disk = realDisk{}
	must(t, j.Begin(task(2), "")())
	must(t, j.Close())
}

// TestSyncFailsBeside: when a sync fails, a task that begins meanwhile is not written behind what
// did not get to disk, though another one's step has had it written there.
func TestSyncFailsBeside(t *testing.T) {
	t.Parallel()
	d := newPowerDisk(t)
	salt := int64(0)
	o := small(d, &salt)
	o.logSize = logSize
	dir := filepath.Join(d.root, "agent", "journal")
	j, warning, err := open(dir, o)
	must(t, errors.Join(warning, err, j.Begin(task(1), "")()))
	syncing, outcome := make(chan struct{}), make(chan error)
	d.turn = func() error { syncing <- struct{}{}; return <-outcome }
	failing := make(chan error, 1)
	go func() { failing <- j.Begin(task(2), "")() }()
	<-syncing
	beside := j.beginBeside(t, 3)
	must(t, j.Step(task(1), "10a"))
	outcome <- errDisk
	if err = <-failing; !errors.Is(err, errDisk) {
		t.Errorf("error is %v", err)
	}
	for range 2 { // the other log as a whole, and the batch
		<-syncing
		outcome <- nil
	}
	must(t, <-beside)

	after := t.TempDir()
	must(t, d.write(d.after(nil, 0), d.root, after)) // the power fails, and nothing is there but what was synced
	o.disk = noDisk{}
	next, warning, err := open(filepath.Join(after, "agent", "journal"), o)
	must(t, errors.Join(warning, err))
	next.boot = "another boot"
	if past := next.Past(task(3)); !past.Started {
		t.Errorf("past of a task that was begun is %+v", past)
	}
	d.turn = func() error { return nil }
	must(t, errors.Join(next.Close(), j.Close()))
}
