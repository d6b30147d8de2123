package journal

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"cluster-agent/worker"
)

// TestEndIsWrittenWithBeginning: the end of a task is written by the next one that begins, if
// that is about to be, and is there after a kill as soon as that one has begun.
func TestEndIsWrittenWithBeginning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	must(t, j.Step(task(1), "10a"))
	d := newSlowDisk("log.")
	j.disk = d
	begun := make(chan error)
	go func() { begun <- j.Begin(task(2), "")() }()
	<-d.writing
	go func() { begun <- j.Begin(task(3), "")() }()
	for !j.hasWaiting() {
		runtime.Gosched()
	}
	must(t, j.Forget(task(1), &worker.Result{}))
	if unwritten := j.peek(); !strings.Contains(unwritten, task(1).Key) || !strings.Contains(unwritten, task(3).Key) {
		t.Errorf("to be written is %q", unwritten)
	}
	d.goOn <- struct{}{}
	<-d.writing
	if unwritten := j.peek(); unwritten != "" {
		t.Errorf("not written is %q", unwritten)
	}
	d.goOn <- struct{}{}
	must(t, errors.Join(<-begun, <-begun))
	j.kill(t)
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	if past := j.Past(task(1)); past != (worker.Past{}) {
		t.Errorf("past of what has ended is %+v", past)
	}
	if left := j.Left(); len(left) != 2 {
		t.Errorf("left are %+v", left)
	}
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

// TestWriteFails: who waits for a beginning that cannot be written is told so, and what
// comes later goes to the other file, where nothing is missing.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	good := j.log.files[j.log.current]
	bad, err := os.Open(good.Name())
	must(t, err)
	j.log.files[j.log.current] = bad
	if err := j.Step(task(1), "10a"); err == nil {
		t.Error("a step is written, and cannot be")
	}
	if err := j.Begin(task(2), "")(); err == nil || !strings.Contains(err.Error(), "write journal") {
		t.Errorf("error is %v", err)
	}
	must(t, j.Begin(task(3), "")())
	must(t, good.Close())
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
