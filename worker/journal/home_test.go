package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cluster-agent/worker"
)

// copyFolder copies a journal as it is. The copies are born later than what they are made of, as
// soon as the file system's clock, which may be coarse, has gone on.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	for {
		must(t, os.CopyFS(to, os.DirFS(from)))
		if homeAt(t, logPath(from, 0)) != homeAt(t, logPath(to, 0)) && homeAt(t, logPath(from, 1)) != homeAt(t, logPath(to, 1)) {
			return
		}
		must(t, os.RemoveAll(to))
	}
}

func homeAt(t *testing.T, path string) home {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	found, err := homeOf(file, machineFile)
	must(t, errors.Join(err, file.Close()))
	return found
}

// oneIsLeft has a task begin, but no step of it, in a journal that stays open.
func oneIsLeft(t *testing.T, o options) *Journal {
	t.Helper()
	j, warning, err := open(filepath.Join(t.TempDir(), "journal"), o)
	must(t, errors.Join(warning, err))
	must(t, j.Begin(task(1), "")())
	return j
}

// wantCopy opens a copy that was made while a task was in progress: it does not settle that.
func wantCopy(t *testing.T, dir, instance string, o options, why error) {
	t.Helper()
	j := wantDoubt(t, dir, instance, o, why.Error())
	wantNoneLeft(t, j)
	must(t, j.Close())
}

// wantNoneLeft wants a journal to know of no task that one before it had in progress.
func wantNoneLeft(t *testing.T, j *Journal) {
	t.Helper()
	if left, past := j.Left(), j.Past(task(1)); len(left) > 0 || past != (worker.Past{}) {
		t.Errorf("left are %v, past is %+v", left, past)
	}
}

// wantSame opens a journal that is at home: the task was not started.
func wantSame(t *testing.T, dir, instance string, o options) {
	t.Helper()
	j, warning, err := open(dir, o)
	must(t, errors.Join(warning, err))
	if past := j.Past(task(1)); j.Instance() != instance || past != (worker.Past{Begun: 1}) {
		t.Errorf("instance %s, was %s; past is %+v", j.Instance(), instance, past)
	}
	must(t, j.Close())
}

// TestCopied: a copy is another instance, be it that the journal that it was made of is in use or
// not. That one stays what it is.
func TestCopied(t *testing.T) {
	t.Parallel()
	for name, inUse := range map[string]bool{"in use": true, "not in use": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := oneIsLeft(t, usual())
			elsewhere := filepath.Join(t.TempDir(), "copy")
			copyFolder(t, first.dir, elsewhere)
			if !inUse {
				must(t, first.Close())
			}
			wantCopy(t, elsewhere, first.instance, usual(), errOtherFile)
			if inUse {
				must(t, first.Close())
			}
			wantSame(t, first.dir, first.instance, usual())
		})
	}
}

// TestCopyOfCopy: a copy that has become a journal of its own can be copied, too.
func TestCopyOfCopy(t *testing.T) {
	t.Parallel()
	first, dir := oneIsLeft(t, usual()), t.TempDir()
	copies := [2]string{filepath.Join(dir, "1"), filepath.Join(dir, "2")}
	copyFolder(t, first.dir, copies[0])
	must(t, first.Close())
	j := wantDoubt(t, copies[0], first.instance, usual(), errOtherFile.Error())
	must(t, j.Close())
	copyFolder(t, copies[0], copies[1])
	wantCopy(t, copies[1], j.instance, usual(), errOtherFile)
}

// TestMoved: a folder that gets another name holds the same files.
func TestMoved(t *testing.T) {
	t.Parallel()
	first := oneIsLeft(t, usual())
	must(t, first.Close())
	moved := first.dir + "-moved"
	must(t, os.Rename(first.dir, moved))
	wantSame(t, moved, first.instance, usual())
}

// TestRestored: a backup that takes the place of the journal does not know what was started since,
// though its files may have the inode numbers of those that were removed for it.
func TestRestored(t *testing.T) {
	t.Parallel()
	first, backup := oneIsLeft(t, usual()), filepath.Join(t.TempDir(), "backup")
	if homeAt(t, logPath(first.dir, 0)).Born == 0 {
		t.Skip("the file system does not tell when files were born")
	}
	copyFolder(t, first.dir, backup)
	must(t, errors.Join(first.Step(task(1), "10a"), first.Close()))
	must(t, os.RemoveAll(first.dir))
	copyFolder(t, backup, first.dir)
	wantCopy(t, first.dir, first.instance, usual(), errOtherFile)
}

// onMachine are options on a machine with such an id; there is no file of it if that is empty.
func onMachine(t *testing.T, id string) options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "machine-id")
	if id != "" {
		must(t, os.WriteFile(path, []byte(id+"\n"), 0o600))
	}
	o := usual()
	o.home = func(file *os.File) (home, error) { return homeOf(file, path) }
	return o
}

const (
	oneMachine   = "0123456789abcdef0123456789abcdef"
	otherMachine = "0123456789abcdef0123456789abcdee"
)

// TestOtherMachine: a file system that was cloned with all of its numbers is on another machine.
func TestOtherMachine(t *testing.T) {
	t.Parallel()
	first := oneIsLeft(t, onMachine(t, oneMachine))
	must(t, first.Close())
	wantSame(t, first.dir, first.instance, onMachine(t, oneMachine))
	wantCopy(t, first.dir, first.instance, onMachine(t, otherMachine), errOtherMachine)
	for number := range 2 {
		content, err := os.ReadFile(logPath(first.dir, number))
		if must(t, err); strings.Contains(string(content), oneMachine) || strings.Contains(string(content), otherMachine) {
			t.Errorf("log %d has the machine's id in it", number)
		}
	}
}

// TestUnknownMachine: what is not known of a machine is not compared, but the file is.
func TestUnknownMachine(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][2]string{
		"then":         {"", oneMachine},
		"now":          {oneMachine, ""},
		"both":         {"", ""},
		"no id so far": {oneMachine, "uninitialized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := oneIsLeft(t, onMachine(t, ids[0]))
			elsewhere := filepath.Join(t.TempDir(), "copy")
			copyFolder(t, first.dir, elsewhere)
			must(t, first.Close())
			wantSame(t, first.dir, first.instance, onMachine(t, ids[1]))
			wantCopy(t, elsewhere, first.instance, onMachine(t, ids[1]), errOtherFile)
		})
	}
}

// TestUnknownBirth: where files are not known by their birth, the inode has to do; where they are, it does not
// matter, as it changes on some file systems.
func TestUnknownBirth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then, now home
		want      error
	}{
		"another inode":                 {home{Inode: 1}, home{Inode: 2}, errOtherFile},
		"the same inode":                {home{Inode: 1}, home{Inode: 1}, nil},
		"no inode":                      {home{Inode: 1}, home{}, nil},
		"a birth since":                 {home{Inode: 1}, home{Inode: 1, Born: 5}, nil},
		"another inode, a birth since":  {home{Inode: 1}, home{Inode: 2, Born: 5}, errOtherFile},
		"another inode, the birth":      {home{Inode: 1, Born: 5}, home{Inode: 2, Born: 5}, nil},
		"the same inode, another birth": {home{Inode: 1, Born: 5}, home{Inode: 1, Born: 6}, errOtherFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := usual()
			o.home = func(*os.File) (home, error) { return c.then, nil }
			first := oneIsLeft(t, o)
			must(t, first.Close())
			o.home = func(*os.File) (home, error) { return c.now, nil }
			if c.want != nil {
				wantCopy(t, first.dir, first.instance, o, c.want)
			} else {
				wantSame(t, first.dir, first.instance, o)
			}
		})
	}
}

// TestInodes: both files have one of their own, by which they are known where nothing tells their births.
func TestInodes(t *testing.T) {
	t.Parallel()
	o := usual()
	o.home = func(file *os.File) (home, error) {
		found, err := homeOf(file, machineFile)
		found.Born = 0
		return found, err
	}
	first, elsewhere := oneIsLeft(t, o), filepath.Join(t.TempDir(), "copy")
	copyFolder(t, first.dir, elsewhere)
	must(t, first.Close())
	for range 2 {
		wantSame(t, first.dir, first.instance, o)
	}
	wantCopy(t, elsewhere, first.instance, o, errOtherFile)
}

// TestEarlierVersionsHome: a log that does not tell it is at home anywhere; the one after it is not.
func TestEarlierVersionsHome(t *testing.T) {
	t.Parallel()
	o := usual()
	o.home = func(*os.File) (home, error) { return home{}, nil }
	first := oneIsLeft(t, o)
	must(t, first.Close())
	if content, err := os.ReadFile(logPath(first.dir, first.log.current)); err != nil || strings.Contains(string(content), "home") {
		t.Fatalf("its first line tells a home, or %v", err)
	}
	dir := t.TempDir()
	copies := [2]string{filepath.Join(dir, "1"), filepath.Join(dir, "2")}
	copyFolder(t, first.dir, copies[0])
	wantSame(t, copies[0], first.instance, usual())
	copyFolder(t, copies[0], copies[1])
	wantCopy(t, copies[1], first.instance, usual(), errOtherFile)
}

// TestCopyIsToldAgain: a life that ends before its log counts has not settled anything.
func TestCopyIsToldAgain(t *testing.T) {
	t.Parallel()
	first, elsewhere := oneIsLeft(t, usual()), filepath.Join(t.TempDir(), "copy")
	copyFolder(t, first.dir, elsewhere)
	must(t, first.Close())
	killedEarly(t, elsewhere)
	wantCopy(t, elsewhere, first.instance, usual(), errOtherFile)
}

// TestDamagedCopy: both are told.
func TestDamagedCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, instance := started(t, dir)
	elsewhere := filepath.Join(t.TempDir(), "copy")
	copyFolder(t, dir, elsewhere)
	path = filepath.Join(elsewhere, filepath.Base(path))
	must(t, os.Truncate(path, 1000))
	j := wantDoubt(t, elsewhere, instance, usual(), errOtherFile.Error()+"\n"+path+": cut off")
	wantNoneLeft(t, j)
	must(t, j.Close())
}

// TestCopyKeepsResults: of what was in progress, a copy knows those tasks of which it has a result, be it
// that the log tells of them or not, and each of them once. An equal task beside one has no result.
func TestCopyKeepsResults(t *testing.T) {
	t.Parallel()
	first, elsewhere := oneIsLeft(t, usual()), filepath.Join(t.TempDir(), "copy")
	for range 2 {
		must(t, first.Begin(task(2), "10a")())
	}
	must(t, first.Keep(task(2), worker.Result{ExitCode: 2}))
	must(t, first.Begin(task(3), "10a")())
	must(t, os.WriteFile(first.resultPath(task(3).Key), []byte("no result"), 0o600))
	unknown, err := encodeResult(task(4), worker.Result{ExitCode: 4})
	must(t, errors.Join(err, os.WriteFile(first.resultPath(task(4).Key), unknown, 0o600)))
	copyFolder(t, first.dir, elsewhere)
	must(t, first.Close())
	killedEarly(t, elsewhere)
	j := wantDoubt(t, elsewhere, first.instance, usual(), errOtherFile.Error())
	defer func() { must(t, j.Close()) }()
	want := []string{task(2).Key, task(4).Key}
	slices.Sort(want)
	if left := keysOf(j.Left()); !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	for _, n := range []int{2, 4} {
		result, err := j.Result(task(n))
		if must(t, err); !j.Past(task(n)).Kept || result.ExitCode != n {
			t.Errorf("past of %d is %+v, its result %+v", n, j.Past(task(n)), result)
		}
	}
}

// TestCopysOwnLogLost: without its own log, a copy is one again, and what it had forgotten does not come back.
func TestCopysOwnLogLost(t *testing.T) {
	t.Parallel()
	first, elsewhere := oneIsLeft(t, usual()), filepath.Join(t.TempDir(), "copy")
	copyFolder(t, first.dir, elsewhere)
	must(t, first.Close())
	j, warning, err := Open(elsewhere)
	if must(t, err); !errors.Is(warning, errCopy) {
		t.Fatalf("warning is %v", warning)
	}
	wantNoneLeft(t, j)
	path := logPath(elsewhere, j.log.current)
	must(t, j.Close())
	rewrite(t, path, func(content []byte) []byte { clear(content); return content })
	wantCopy(t, elsewhere, j.instance, usual(), errOtherFile)
}
