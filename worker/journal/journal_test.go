package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// life opens a journal that is whole.
func life(t *testing.T, dir string) *Journal {
	t.Helper()
	j, warning, err := Open(dir)
	must(t, errors.Join(warning, err))
	return j
}

// kill ends a life as SIGKILL does: what was written stays, nothing is added.
func (j *Journal) kill(t *testing.T) {
	t.Helper()
	must(t, errors.Join(j.log.close(), j.lock.Close()))
}

// TestConformance: a crash is a journal that is not closed; a power failure is
// another boot.
func TestConformance(t *testing.T) {
	t.Parallel()
	workertest.RunJournal(t, func(t *testing.T) workertest.JournalFixture {
		t.Helper()
		dir := t.TempDir()
		now := life(t, dir)
		t.Cleanup(func() { must(t, now.Close()) })
		return workertest.JournalFixture{Journal: now, Crash: func(t *testing.T, power bool) worker.Journal {
			t.Helper()
			now.kill(t)
			now = life(t, dir)
			if power {
				now.boot = "another boot"
			}
			return now
		}}
	})
}

func task(n int) worker.Task {
	payload := fmt.Appendf(nil, `{"id":"%d","action":"a"}`, n)
	return worker.Task{ID: strconv.Itoa(n), Action: "a", Payload: payload, Key: worker.KeyOf(payload)}
}

// TestManyTasks: the log goes round many times, while a few tasks stay.
func TestManyTasks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(-1), "")())
	must(t, j.Step(task(-1), "10stays"))
	var group sync.WaitGroup
	const lanes, each = 8, 2_000
	for lane := range lanes {
		group.Go(func() {
			for n := range each {
				now := task(lane*each + n)
				if err := errors.Join(j.Begin(now, "")(), j.Step(now, "10a"), j.Forget(now, &worker.Result{})); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	generation := j.log.generation
	instance := j.Instance()
	j.kill(t)
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	if left := j.Left(); len(left) != 1 || left[0].ID != "-1" {
		t.Fatalf("left are %+v", left)
	}
	if past := j.Past(task(-1)); past.Step != "10stays" {
		t.Fatalf("past is %+v", past)
	}
	if generation < 4 || j.Instance() != instance {
		t.Fatalf("generation %d, instance %s, before %s", generation, j.Instance(), instance)
	}
	for number := range 2 {
		info, err := os.Stat(logPath(dir, number))
		must(t, err)
		if info.Size() > 2*logSize {
			t.Errorf("%s has %d bytes", info.Name(), info.Size())
		}
	}
}

// TestCutOff: wherever the last write was cut off, what was written before counts,
// and what is added afterwards is read.
func TestCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	whole := j.log.end
	must(t, j.Begin(task(2), "")())
	end, number := j.log.end, j.log.current
	j.kill(t)
	written, other := content(t, logPath(dir, number)), content(t, logPath(dir, 1-number))
	for cut := whole; cut < end; cut += 7 {
		damaged := slices.Clone(written)
		clear(damaged[cut:])
		must(t, os.WriteFile(logPath(dir, number), damaged, 0o600))
		must(t, os.WriteFile(logPath(dir, 1-number), other, 0o600))
		j := life(t, dir)
		if left := j.Left(); len(left) != 1 || left[0].ID != "1" {
			t.Fatalf("cut at %d: left are %+v", cut, left)
		}
		must(t, j.Begin(task(3), "")())
		j.kill(t)
		j = life(t, dir)
		if left := j.Left(); len(left) != 2 {
			t.Fatalf("cut at %d: left are %+v", cut, left)
		}
		must(t, j.Close())
	}
}

// TestDamagedLine: if a disk has damaged the line of a task's beginning, that of its step tells
// all the same, and in later lives, that it had started, and that it has not ended.
func TestDamagedLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	must(t, j.Step(task(1), "10first"))
	must(t, j.Forget(task(1), &worker.Result{ExitCode: 7})) // an earlier task with the same payload
	var middle int
	for n := range 3 {
		must(t, j.Begin(task(n), "")())
		if n == 1 {
			middle = j.log.end - 10
		}
	}
	for n := range 3 {
		must(t, j.Step(task(n), "20second"))
	}
	path := logPath(dir, j.log.current)
	j.kill(t)
	content, err := os.ReadFile(path)
	must(t, err)
	content[middle] ^= 1
	must(t, os.WriteFile(path, content, 0o600))
	j, warning, err := Open(dir)
	if must(t, err); warning == nil {
		t.Error("no warning")
	}
	for range 3 {
		j.kill(t)
		j = life(t, dir)
		for n := range 3 {
			if past := j.Past(task(n)); !past.Started || past.Step != "20second" {
				t.Errorf("task %d: %+v", n, past)
			}
		}
		if left, ended := j.Left(), j.Ended(); len(left) != 3 || len(ended) != 0 {
			t.Errorf("left are %+v, ended have %+v", left, ended)
		}
	}
	must(t, j.Forget(task(1), nil))
	if left := j.Left(); len(left) != 2 {
		t.Errorf("left are %+v", left)
	}
	must(t, j.Close())
}

// TestSwitchCutOff: when the power fails while a log takes over, the old one counts.
func TestSwitchCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	for n := range 5 {
		must(t, j.Begin(task(n), "")())
	}
	old := j.log.current
	before := content(t, logPath(dir, 1-old))
	must(t, j.log.begin(j.live()))
	next, end := j.log.current, j.log.end
	j.kill(t)
	written := content(t, logPath(dir, next))
	if next == old {
		t.Fatal("the log did not change")
	}
	for cut := 0; cut < end; cut += 13 {
		damaged := slices.Clone(before)
		copy(damaged, written[:cut])
		if cut%2 > 0 {
			copy(damaged[end:], written[end:]) // the copy of the first line
		}
		must(t, os.WriteFile(logPath(dir, next), damaged, 0o600))
		l, err := openLog(dir, usual())
		must(t, err)
		j := &Journal{dir: dir, disk: realDisk{}, entries: map[string]*entry{}, log: l}
		if err := j.recall(); err != nil || len(j.entries) != 5 || j.log.current != old {
			t.Fatalf("cut at %d: %v, %d entries, log %d", cut, err, len(j.entries), j.log.current)
		}
		must(t, l.close())
	}
}

// TestTaken: a second agent learns who has the journal, and gets it afterwards.
func TestTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := life(t, dir)
	_, _, err := Open(dir)
	taken, ok := errors.AsType[*TakenError](err)
	if !ok || taken.Process != strconv.Itoa(os.Getpid()) {
		t.Fatalf("error is %v", err)
	}
	must(t, first.Close())
	must(t, life(t, dir).Close())
}

// TestDamaged: what cannot be read is told, and another instance begins.
func TestDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	instance := j.Instance()
	must(t, j.Close())
	for number := range 2 {
		must(t, os.WriteFile(logPath(dir, number), []byte("no journal\n"), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "result-x"), []byte("no result"), 0o600))
	j, warning, err := Open(dir)
	must(t, err)
	if warning == nil || !strings.Contains(warning.Error(), "log.0") || j.Instance() == instance {
		t.Fatalf("warning %v, instance %s", warning, j.Instance())
	}
	must(t, j.Close())
	if _, err := os.Stat(filepath.Join(dir, "unreadable-result-x")); err != nil {
		t.Fatal(err)
	}
}

// TestFailedSwitch: when the other log cannot be brought to disk, it may count all
// the same, so that nothing is added to the one before.
func TestFailedSwitch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	j.log.disk = brokenDisk{}
	if err := j.log.begin(j.live()); !errors.Is(err, errDisk) {
		t.Fatalf("error is %v", err)
	}
	j.log.disk = realDisk{}
	must(t, j.Step(task(1), "10a"))
	must(t, j.Begin(task(2), "")())
	must(t, j.Close())
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	if past := j.Past(task(1)); past.Step != "10a" {
		t.Errorf("past is %+v", past)
	}
	if past := j.Past(task(2)); past.Begun != 1 {
		t.Errorf("past of the second is %+v", past)
	}
}

// brokenDisk takes nothing.
type brokenDisk struct{ noDisk }

func (brokenDisk) syncFile(*os.File) error { return errDisk }

// TestUnwritable: a directory in which nothing can be made is a clear error.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, _, err := Open(filepath.Join(file, "journal")); err == nil || !strings.Contains(err.Error(), "make journal") {
		t.Fatalf("error is %v", err)
	}
}

// TestKeepLimit: what does not fit any more is kept without its output. What counts
// is the size of the files.
func TestKeepLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	for n := range 2 {
		must(t, j.Begin(task(n), "")())
		must(t, j.Keep(task(n), worker.Result{Output: make([]byte, keepLimit*5/8), ExitCode: n}))
	}
	first, err := j.Result(task(0))
	must(t, err)
	second, err := j.Result(task(1))
	must(t, err)
	if len(first.Output) != keepLimit*5/8 || second.Output != nil || second.ExitCode != 1 || !strings.Contains(string(second.Error), "64 MiB") {
		t.Fatalf("kept %d and %d bytes, %q", len(first.Output), len(second.Output), second.Error)
	}
	if size := sizeOf(t, dir); j.kept != size || size > keepLimit+1<<10 {
		t.Errorf("%d bytes are counted, and there are %d", j.kept, size)
	}
	must(t, j.Forget(task(0), &worker.Result{}))
	must(t, j.Keep(task(1), worker.Result{Output: make([]byte, 10)}))
	if third, err := j.Result(task(1)); err != nil || len(third.Output) != 10 {
		t.Fatalf("kept %d bytes, %v", len(third.Output), err)
	}
	must(t, j.Keep(task(0), worker.Result{}))
	if size := sizeOf(t, dir); j.kept != size {
		t.Errorf("%d bytes are counted, and there are %d", j.kept, size)
	}
	must(t, j.Close())
}

// sizeOf is that of all files of results, finished or not.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+resultPrefix+"*"))
	must(t, err)
	for _, path := range paths {
		info, err := os.Stat(path)
		must(t, err)
		size += info.Size()
	}
	return size
}

// slowDisk holds back what is brought to disk of files with a part in their names, until it is told.
type slowDisk struct {
	realDisk

	part          string
	writing, goOn chan struct{}
}

func newSlowDisk(part string) slowDisk {
	return slowDisk{part: part, writing: make(chan struct{}), goOn: make(chan struct{})}
}

func (d slowDisk) syncFile(file *os.File) error {
	if strings.Contains(filepath.Base(file.Name()), d.part) {
		d.writing <- struct{}{}
		<-d.goOn
	}
	return d.realDisk.syncFile(file)
}

// TestKeepBeside: while a result is written, tasks begin; one that is forgotten
// meanwhile leaves nothing behind.
func TestKeepBeside(t *testing.T) {
	t.Parallel()
	dir, d := t.TempDir(), newSlowDisk(resultPrefix)
	o := usual()
	o.disk = d
	j, warning, err := open(dir, o)
	must(t, errors.Join(warning, err))
	for n, forget := range []bool{false, true} {
		must(t, j.Begin(task(n), "10a")())
		var keeping sync.WaitGroup
		keeping.Go(func() {
			if err := j.Keep(task(n), worker.Result{Output: []byte("out")}); err != nil {
				t.Error(err)
			}
		})
		<-d.writing
		must(t, j.Begin(task(10+n), "10a")())
		if forget {
			must(t, j.Forget(task(n), &worker.Result{}))
		}
		d.goOn <- struct{}{}
		keeping.Wait()
		if past := j.Past(task(n)); past.Kept == forget {
			t.Errorf("forgotten: %v, past is %+v", forget, past)
		}
	}
	if size := sizeOf(t, dir); j.kept != size || size == 0 {
		t.Errorf("%d bytes are counted, and there are %d", j.kept, size)
	}
	must(t, j.Close())
}

// TestLeavings: what a killed life was writing is removed, and of what cannot be
// read so much is left that somebody can look at it.
func TestLeavings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, life(t, dir).Close())
	must(t, os.WriteFile(filepath.Join(dir, ".result-x-123"), []byte("half a res"), 0o600))
	for n := range 2 * mostUnreadable {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("result-%02d", n)), []byte("no result"), 0o600))
	}
	j, warning, err := Open(dir)
	must(t, err)
	must(t, j.Close())
	if warning == nil || !strings.Contains(warning.Error(), "unreadable-result-00") || strings.Contains(warning.Error(), "settled as if") {
		t.Errorf("warning is %v", warning)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*result*"))
	must(t, err)
	hidden, err := filepath.Glob(filepath.Join(dir, ".result*"))
	must(t, err)
	if len(found) != mostUnreadable || len(hidden) != 0 {
		t.Errorf("left are %v, %v", found, hidden)
	}
	must(t, life(t, dir).Close()) // it is told once
}

// BenchmarkBeginBesideKeep is what the beginning of a task takes while large results
// are kept all the time.
func BenchmarkBeginBesideKeep(b *testing.B) {
	j, warning, err := Open(b.TempDir())
	if err = errors.Join(warning, err); err != nil {
		b.Fatal(err)
	}
	if err := j.Begin(task(-1), "")(); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for ctx.Err() == nil {
			if err := j.Keep(task(-1), worker.Result{Output: make([]byte, 16<<20)}); err != nil {
				b.Error(err)
			}
		}
	})
	var longest time.Duration
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		if err := errors.Join(j.Begin(task(n), "")(), j.Forget(task(n), &worker.Result{})); err != nil {
			b.Fatal(err)
		}
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
	stop()
	keeping.Wait()
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// TestEncode: what is written by hand is what encoding/json reads.
func TestEncode(t *testing.T) {
	t.Parallel()
	for _, want := range []record{
		{Kind: headKind, Instance: "i", Generation: 7, Live: 3},
		{Kind: headKind, Instance: "i", Generation: 7, Home: home{Machine: "m", Born: 1, Inode: 2}},
		{Kind: beginKind, Key: "k", ID: "1", Action: "add-node", Begun: 2, Boot: "b"},
		{Kind: beginKind, Key: "k", ID: "\"1\\", Action: "ü\n", Begun: 1, Boot: "b", Step: "10a"},
		{Kind: stepKind, Key: "k", Step: "10 a b<&>"},
		{Kind: endKind, Key: "k"},
	} {
		line, err := want.encode(nil, 7)
		must(t, err)
		if got, err := decode(line[:len(line)-1], 7); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", line, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	line, err := record{Kind: beginKind, Key: "k", ID: "1"}.encode(nil, 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line, int64(7))
	f.Add([]byte("00000000 {}"), int64(0))
	f.Fuzz(func(t *testing.T, line []byte, seal int64) {
		r, err := decode(line, seal)
		if err != nil {
			return
		}
		again, err := r.encode(nil, seal)
		must(t, err)
		if _, err := decode(again[:len(again)-1], seal); err != nil {
			t.Fatalf("%q is read, and %q is not: %v", line, again, err)
		}
	})
}
