package journal

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"cluster-agent/worker"
)

// sector is what a disk loses at least.
const sector = 512

// started has a few tasks begin in a new journal, and each start a step, between others that come to their end.
func started(t *testing.T, dir string) (path, instance string) {
	t.Helper()
	j := life(t, dir)
	for n := range 20 {
		must(t, j.Begin(task(n), "")())
		must(t, j.Step(task(n), "10a"))
		if n%2 > 0 {
			must(t, j.Forget(task(n), &worker.Result{}))
		}
	}
	path, instance = logPath(dir, j.log.current), j.instance
	j.kill(t)
	return path, instance
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}

// rewrite changes what a file holds.
func rewrite(t *testing.T, path string, change func(content []byte) []byte) {
	t.Helper()
	must(t, os.WriteFile(path, change(content(t, path)), 0o600))
}

// wantDamage opens a journal that is damaged: a warning says in which file.
func wantDamage(t *testing.T, dir, path, instance string) *Journal {
	t.Helper()
	return wantDoubt(t, dir, instance, usual(), path)
}

// wantDoubt opens a journal that does not tell how far tasks have come: a warning says why, and another
// instance begins, so that what was in progress counts as started. That is over with the next life.
func wantDoubt(t *testing.T, dir, instance string, o options, why string) *Journal {
	t.Helper()
	j, warning, err := open(dir, o)
	must(t, err)
	if warning == nil || !strings.Contains(warning.Error(), why) || !strings.Contains(warning.Error(), "settled as if all had been started") {
		t.Fatalf("warning is %v", warning)
	}
	for number := range 2 {
		info, failure := os.Stat(logPath(dir, number))
		if must(t, failure); info.Size() < logSize {
			t.Errorf("%s has %d bytes", info.Name(), info.Size())
		}
	}
	another := j.Instance()
	if another == instance {
		t.Fatal("it is the same instance")
	}
	j.kill(t)
	j, warning, err = open(dir, o)
	if must(t, errors.Join(warning, err)); j.Instance() != another {
		t.Fatal("each life is another instance")
	}
	return j
}

// TestSectorLost: whichever sector a disk has lost, it is noticed, unless no record comes after it.
// The tasks that are known count as started, whatever of them is missing.
func TestSectorLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, instance := started(t, dir)
	whole, other := content(t, path), content(t, logPath(dir, 0))
	end := bytes.IndexByte(whole, 0)
	last := bytes.LastIndexByte(whole[:end-1], '\n') + 1
	for at := 0; at < end; at += sector {
		damaged := slices.Clone(whole)
		clear(damaged[at : at+sector])
		must(t, os.WriteFile(path, damaged, 0o600))
		must(t, os.WriteFile(logPath(dir, 0), other, 0o600))
		if at+sector > last {
			j := life(t, dir) // as if the power had failed before it was written
			must(t, j.Close())
			continue
		}
		j := wantDamage(t, dir, path, instance)
		for _, left := range j.Left() {
			if !j.Past(left).Started {
				t.Errorf("sector at %d: %s counts as not started", at, left.ID)
			}
		}
		if past := j.Past(task(100)); past != (worker.Past{}) {
			t.Errorf("past of a task that comes later is %+v", past)
		}
		must(t, j.Close())
	}
}

// TestLiveSectorLost: nor does the older log count, once anything was added to the newer one.
func TestLiveSectorLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, instance := started(t, dir)
	j := life(t, dir)
	path, end := logPath(dir, j.log.current), j.log.end
	must(t, j.Begin(task(100), "")())
	j.kill(t)
	rewrite(t, path, func(content []byte) []byte { content[end-2] ^= 1; return content })
	j = wantDamage(t, dir, path, instance)
	if past := j.Past(task(100)); !past.Started {
		t.Errorf("past is %+v", past)
	}
	must(t, j.Close())
}

// TestFirstLineLost: without its first line, the newer log is damaged, and the older one does not count
// any more, once a record was added; before, it may be that the power has failed.
func TestFirstLineLost(t *testing.T) {
	t.Parallel()
	for name, added := range map[string]bool{"a record was added": true, "none was": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			older, instance := started(t, dir)
			rewrite(t, older, func(content []byte) []byte { content[len(content)-2] ^= 1; return content }) // that costs nothing
			before := content(t, logPath(dir, 0))
			j := life(t, dir)
			path := logPath(dir, j.log.current)
			if added {
				must(t, j.Begin(task(100), "")())
				must(t, j.Step(task(100), "10a"))
			}
			j.kill(t)
			rewrite(t, path, func(content []byte) []byte { copy(content[:100], before); return content })
			if added {
				j = wantDamage(t, dir, path, instance)
			} else {
				j = life(t, dir)
			}
			defer func() { must(t, j.Close()) }()
			if left := j.Left(); !added && (j.Instance() != instance || len(left) != 10) {
				t.Errorf("instance %s, before %s; left are %v", j.Instance(), instance, left)
			}
			if past := j.Past(task(100)); past.Started != added {
				t.Errorf("past is %+v", past)
			}
		})
	}
}

// TestFirstLineOfFullLogLost: no record takes the place of its copy.
func TestFirstLineOfFullLogLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(0), "")())
	path, instance, generation := logPath(dir, j.log.current), j.instance, j.log.generation
	line := j.log.end
	must(t, j.Step(task(0), "10a"))
	for line = j.log.end - line; j.log.fits(make([]byte, line)); {
		must(t, j.Step(task(0), "10a"))
	}
	if free := j.log.sizes[j.log.current] - j.log.end; j.log.generation != generation || free < line {
		t.Fatalf("generation %d, %d bytes are free", j.log.generation, free)
	}
	j.kill(t)
	rewrite(t, path, func(content []byte) []byte { clear(content[:100]); return content })
	must(t, wantDamage(t, dir, path, instance).Close())
}

// TestEmptyLogFirstLineLost: nor does a log count of which there is nothing but the copy.
func TestEmptyLogFirstLineLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, life(t, dir).Close())
	before := content(t, logPath(dir, 0))
	j := life(t, dir)
	current := j.log.current
	must(t, j.Close())
	rewrite(t, logPath(dir, current), func(content []byte) []byte { copy(content[:100], before); return content })
	j = life(t, dir)
	if j.log.current != current {
		t.Error("the older log was overwritten")
	}
	must(t, j.Close())
}

// TestOlderFirstLineLost: what no more counts may be damaged.
func TestOlderFirstLineLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, instance := started(t, dir)
	must(t, life(t, dir).Close())
	rewrite(t, path, func(content []byte) []byte { clear(content[:sector]); return content })
	j := life(t, dir)
	if left := j.Left(); j.Instance() != instance || len(left) != 10 {
		t.Errorf("instance %s, before %s; left are %v", j.Instance(), instance, left)
	}
	must(t, j.Close())
}

// TestNeverSyncedLost: what nobody was told to be on disk may be missing, before what is there.
func TestNeverSyncedLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	begin := j.log.end
	j.Begin(task(2), "10a")
	end := j.log.end
	j.Begin(task(3), "10a")
	path, instance := logPath(dir, j.log.current), j.instance
	j.kill(t)
	rewrite(t, path, func(content []byte) []byte { clear(content[begin:end]); content[end-1] = '\n'; return content })
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	want := []string{task(1).Key, task(3).Key}
	slices.Sort(want)
	if left := keysOf(j.Left()); j.Instance() != instance || !slices.Equal(left, want) {
		t.Errorf("instance %s, before %s; left are %v", j.Instance(), instance, left)
	}
}

// TestWrittenBesideSync: what was written while others were brought to disk is not taken to be there.
func TestWrittenBesideSync(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	must(t, j.Begin(task(1), "")())
	d := newSlowDisk("log.")
	j.disk = d
	begun := make(chan error, 1)
	go func() { begun <- j.Begin(task(2), "")() }()
	<-d.writing
	begin := j.log.end
	must(t, j.Step(task(1), "10a"))
	end := j.log.end
	d.goOn <- struct{}{}
	must(t, <-begun)
	must(t, j.Step(task(2), "10a"))
	path, instance := logPath(dir, j.log.current), j.instance
	j.kill(t)
	rewrite(t, path, func(content []byte) []byte { clear(content[begin:end]); content[end-1] = '\n'; return content })
	j = life(t, dir)
	defer func() { must(t, j.Close()) }()
	if past := j.Past(task(2)); j.Instance() != instance || past.Step != "10a" {
		t.Errorf("instance %s, before %s; past is %+v", j.Instance(), instance, past)
	}
}

// TestFileCutOff: a log that is shorter than it was has lost something, wherever it was cut off.
func TestFileCutOff(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 100, 600, 1000, logSize - 1} {
		dir := t.TempDir()
		path, instance := started(t, dir)
		must(t, os.Truncate(path, size))
		must(t, wantDamage(t, dir, path, instance).Close())
	}
}

// TestNewerFileCutOff: if nothing is left of the newer log, the older one does not count.
func TestNewerFileCutOff(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 100} {
		dir := t.TempDir()
		_, instance := started(t, dir)
		j := life(t, dir)
		path := logPath(dir, j.log.current)
		must(t, j.Begin(task(100), "")())
		j.kill(t)
		must(t, os.Truncate(path, size))
		must(t, wantDamage(t, dir, path, instance).Close())
	}
}

// TestNewerFileBlank: nor does it if the newer one's file holds nothing but zeros. That is told again
// if the life that noticed it ends before its log counts.
func TestNewerFileBlank(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, instance := started(t, dir)
	must(t, life(t, dir).Close())
	j := life(t, dir)
	path := logPath(dir, j.log.current)
	must(t, j.Begin(task(100), "10a")())
	j.kill(t)
	rewrite(t, path, func(content []byte) []byte { clear(content); return content })
	killedEarly(t, dir)
	must(t, wantDamage(t, dir, path, instance).Close())
}

// TestFirstLifeBlank: whatever file holds the log of a first life, or of one that follows, and though
// nothing is lost but the file's first block.
func TestFirstLifeBlank(t *testing.T) {
	t.Parallel()
	for lives := range 3 {
		for _, lost := range []int{4096, logSize} {
			dir := t.TempDir()
			path, instance := started(t, dir)
			for range lives {
				j := life(t, dir)
				path = logPath(dir, j.log.current)
				must(t, j.Begin(task(100), "10a")())
				j.kill(t)
			}
			rewrite(t, path, func(content []byte) []byte { clear(content[:lost]); return content })
			must(t, wantDamage(t, dir, path, instance).Close())
		}
	}
}

// TestOlderFileCutOff: that no more counts, whatever becomes of it.
func TestOlderFileCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, instance := started(t, dir)
	must(t, life(t, dir).Close())
	must(t, os.Truncate(path, 1000))
	j := life(t, dir)
	if left := j.Left(); j.Instance() != instance || len(left) != 10 {
		t.Errorf("instance %s, before %s; left are %v", j.Instance(), instance, left)
	}
	must(t, j.Close())
}

// TestLargeFileCutOff: more than the usual size was needed for what counts, and is missing now.
func TestLargeFileCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := life(t, dir)
	for n := range 3_000 {
		j.Begin(task(n), "10a")
	}
	must(t, j.log.begin(j.live()))
	path, instance, size := logPath(dir, j.log.current), j.instance, j.log.sizes[j.log.current]
	j.kill(t)
	if size <= logSize {
		t.Fatalf("the log has %d bytes", size)
	}
	must(t, os.Truncate(path, int64(size-1)))
	must(t, wantDamage(t, dir, path, instance).Close())
}

// TestDamageIsToldAgain: a life that ends before its log counts has not settled anything.
func TestDamageIsToldAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, instance := started(t, dir)
	must(t, os.Truncate(path, 1000))
	killedEarly(t, dir)
	must(t, wantDamage(t, dir, path, instance).Close())
}

// killedEarly has two lives end before their logs count.
func killedEarly(t *testing.T, dir string) {
	t.Helper()
	for n := range 2 {
		o := usual()
		o.disk = &failingDisk{failAt: n + 1}
		if _, _, err := open(dir, o); !errors.Is(err, errDisk) {
			t.Fatalf("error is %v", err)
		}
	}
}

// failingDisk takes one file less than others.
type failingDisk struct {
	noDisk

	syncs, failAt int
}

func (d *failingDisk) syncFile(*os.File) error {
	if d.syncs++; d.syncs == d.failAt {
		return errDisk
	}
	return nil
}

// TestEarlierVersion: a log that does not say what was on disk, nor how long its file was, is read as it always was.
func TestEarlierVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	head := record{Kind: headKind, Instance: "0123456789abcdef0123456789abcdef", Generation: 7, Salt: 8, Live: 1}
	content, err := head.encode(nil, headSeal)
	must(t, err)
	for n := range 3 {
		e := entry{id: task(n).ID, action: "a", begun: 1, running: 1, boot: "b"}
		content, err = e.record(task(n).Key).encode(content, head.seal())
		must(t, err)
	}
	at := bytes.Index(content, []byte(task(1).Key))
	content[at] ^= 1
	must(t, os.WriteFile(logPath(dir, 1), append(content, make([]byte, logSize-len(content))...), 0o600))
	must(t, os.WriteFile(logPath(dir, 0), make([]byte, logSize), 0o600))
	j := life(t, dir)
	if left := j.Left(); j.Instance() != head.Instance || len(left) != 2 {
		t.Errorf("instance %s, left are %v", j.Instance(), left)
	}
	j.kill(t)
	must(t, os.WriteFile(logPath(dir, 0), make([]byte, logSize), 0o600))
	must(t, os.Truncate(logPath(dir, 1), 1000))
	must(t, wantDamage(t, dir, logPath(dir, 1), head.Instance).Close())
}

// TestKilledAtFirst: a journal of which a kill has left nothing but files without their size is new.
func TestKilledAtFirst(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][2]int64{"no sizes": {0, 0}, "one": {0, logSize}, "half of one": {0, logSize / 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for number, size := range sizes {
				must(t, os.WriteFile(logPath(dir, number), make([]byte, size), 0o600))
			}
			must(t, life(t, dir).Close())
		})
	}
}

// TestReserveAgain: what could not be brought to disk once is tried again, though it seems to be there.
func TestReserveAgain(t *testing.T) {
	t.Parallel()
	o, d := usual(), &failingDisk{failAt: 1}
	o.disk = d
	l, err := openLog(t.TempDir(), o)
	must(t, err)
	if err = l.reserve(0, logSize); !errors.Is(err, errDisk) || l.sizes[0] > 0 {
		t.Errorf("error is %v, %d bytes are said to be there", err, l.sizes[0])
	}
	must(t, l.reserve(0, logSize))
	if d.syncs != 2 || l.sizes[0] != logSize {
		t.Errorf("%d syncs, %d bytes are said to be there", d.syncs, l.sizes[0])
	}
	must(t, l.close())
}
