package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"cluster-agent/worker"
)

// smallLog is one that some records fill.
const smallLog = 900

// small are options with which the same acts write the same.
func small(d disk, salt *int64) options {
	return options{
		disk: d, logSize: smallLog,
		newInstance: func() string { return "0123456789abcdef0123456789abcdef" },
		newSalt:     func() int64 { *salt++; return *salt << 32 },
		home:        func(*os.File) (home, error) { return home{Born: 1}, nil }, // what a disk holds is written to other files
	}
}

// noDisk is for lives in which no power fails.
type noDisk struct{}

func (noDisk) syncFile(*os.File) error { return nil }
func (noDisk) syncFolder(string) error { return nil }

// promises are what the journal has said that it knows.
type promises struct {
	instance string
	touched  map[string]bool   // tasks that it was told of, ever
	begun    map[string]int    // tasks whose Begin is on disk: how often
	kept     map[string]string // results: their output
}

// storm is an agent's use of its journal, on a disk that may lose its power.
type storm struct {
	*powerDisk

	dir     string
	journal *Journal
	promises

	salt    int64
	turns   int       // syncs, and ends of calls, so far
	killAt  int       // the turn at which the agent is killed, once; 0: never
	failAt  int       // the sync that fails, once
	quiet   int       // up to which turn nothing is checked, for another run does
	checked *sync.Map // states of the disk, with what was promised, of all such storms
	images  string
}

type killed struct{}

var errDisk = errors.New("no such sector")

func newStorm(t *testing.T, checked *sync.Map) *storm {
	t.Helper()
	d := newPowerDisk(t)
	s := &storm{
		powerDisk: d, dir: filepath.Join(d.root, "agent", "journal"), images: memory(t), checked: checked,
		promises: promises{touched: map[string]bool{}, begun: map[string]int{}, kept: map[string]string{}},
	}
	d.turn = s.sync
	return s
}

// next is a moment at which the power may fail, or the agent be killed.
func (s *storm) next() {
	s.turns++
	if s.turns > s.quiet {
		s.failPower()
	}
	if s.turns == s.killAt {
		panic(killed{})
	}
}

// sync is such a moment before something is brought to disk, which may fail.
func (s *storm) sync() error {
	s.next()
	if s.turns == s.failAt {
		return errDisk
	}
	return nil
}

// failPower looks at all that the disk may hold after a failure of the power now.
func (s *storm) failPower() {
	changes := s.pending()
	for set := range 1 << len(changes) {
		found := s.after(changes, set)
		name := fmt.Sprintf("%x %v", found.sum(), s.promises)
		if _, known := s.checked.LoadOrStore(name, true); known {
			continue
		}
		if err := s.look(found); err != nil {
			s.t.Fatalf("turn %d, killed at %d, failed at %d, %0*b of the pending changes: %v", s.turns, s.killAt, s.failAt, len(changes), set, err)
		}
	}
}

// look opens a journal as the power has left it, and once more after a kill.
func (s *storm) look(found image) error {
	dir, err := os.MkdirTemp(s.images, "")
	if err != nil {
		return err
	}
	err = s.write(found, s.root, dir)
	var left [2][]string
	for life := range left {
		var j *Journal
		if err == nil {
			j, err = s.reopen(filepath.Join(dir, "agent", "journal"))
		}
		if err == nil {
			left[life] = keysOf(j.Left())
			err = errors.Join(s.verify(j), j.Close())
		}
	}
	if err == nil && !slices.Equal(left[0], left[1]) {
		err = fmt.Errorf("left were %v, and in the next life %v", left[0], left[1])
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (s *storm) reopen(dir string) (*Journal, error) {
	salt := s.salt
	j, warning, err := open(dir, small(noDisk{}, &salt))
	if err == nil && warning != nil && s.instance != "" {
		err = errors.Join(warning, j.Close())
	}
	if err == nil {
		j.boot = "another boot"
	}
	return j, err
}

func keysOf(tasks []worker.Task) []string {
	keys := make([]string, 0, len(tasks))
	for _, task := range tasks {
		keys = append(keys, task.Key)
	}
	slices.Sort(keys)
	return keys
}

// verify tells whether a journal keeps the promises.
func (p promises) verify(j *Journal) error {
	if p.instance != "" && j.Instance() != p.instance {
		return errors.New("it is another instance")
	}
	for key, times := range p.begun {
		if past := j.Past(worker.Task{Key: key}); !past.Kept && (!past.Started || past.Begun < times) {
			return fmt.Errorf("%s was begun %d times, and its past is %+v", key, times, past)
		}
	}
	for key, output := range p.kept {
		result, err := j.Result(worker.Task{Key: key})
		if past := j.Past(worker.Task{Key: key}); !past.Kept || err != nil || string(result.Output) != output {
			return fmt.Errorf("the result of %s was kept, and there is %q, %w", key, result.Output, err)
		}
	}
	for _, task := range j.Left() {
		if !p.touched[task.Key] {
			return fmt.Errorf("%s is left, and was never begun", task.Key)
		}
	}
	return nil
}

func (s *storm) open() error {
	j, warning, err := open(s.dir, small(s.powerDisk, &s.salt))
	if err = errors.Join(warning, err); err != nil {
		return err
	}
	s.journal, s.instance = j, j.Instance()
	if changes := s.pending(); s.killAt+s.failAt == 0 && len(changes) > 0 {
		s.t.Fatalf("opened, and %d changes are pending", len(changes))
	}
	return nil
}

func begins(n int) func(*storm) error {
	return func(s *storm) error {
		s.touched[task(n).Key] = true
		err := s.journal.Begin(task(n), "")()
		if err == nil {
			s.begun[task(n).Key] = s.journal.Past(task(n)).Begun
		}
		return err
	}
}

func steps(n int, name string) func(*storm) error {
	return func(s *storm) error { return s.journal.Step(task(n), name) }
}

func keeps(n int) func(*storm) error {
	return func(s *storm) error {
		output := bytes.Repeat([]byte("o"), 40+n)
		err := s.journal.Keep(task(n), worker.Result{Output: output})
		if err == nil && s.begun[task(n).Key] > 0 {
			s.kept[task(n).Key] = string(output)
		}
		return err
	}
}

func forgets(n int) func(*storm) error {
	return func(s *storm) error {
		delete(s.begun, task(n).Key)
		delete(s.kept, task(n).Key)
		return s.journal.Forget(task(n), &worker.Result{})
	}
}

// day is what an agent does: its log goes round twice.
func day() []func(*storm) error {
	return []func(*storm) error{
		begins(1), steps(1, "10a"), begins(2), forgets(1), begins(3), keeps(2),
		begins(4), forgets(2), begins(5), keeps(5), begins(6), forgets(5), begins(7), forgets(3), begins(8), forgets(4),
	}
}

// play has the day go by. What a kill interrupts, the next life does again; what
// fails is not done.
func (s *storm) play() {
	acts := append([]func(*storm) error{(*storm).open}, day()...)
	for i, act := range acts {
		if s.survives(act) {
			continue
		}
		must(s.t, os.Remove(filepath.Join(s.dir, "lock"))) // nobody has it any more
		if !s.survives((*storm).open) || (i > 0 && !s.survives(act)) {
			s.t.Fatal("killed twice")
		}
	}
	must(s.t, s.journal.Close())
}

// survives does one thing; false if the agent was killed meanwhile.
func (s *storm) survives(act func(*storm) error) (alive bool) {
	defer func() {
		if what := recover(); what != nil && what != any(killed{}) {
			panic(what)
		}
	}()
	if err := act(s); err != nil && s.failAt == 0 {
		s.t.Fatalf("turn %d: %v", s.turns, err)
	}
	s.next()
	return true
}

// TestPowerFails: whenever the power fails, and whatever of that which was not
// synced the disk has all the same, the journal keeps its promises. That is so, too,
// if the agent was killed before, at any moment, which loses nothing of what it wrote.
func TestPowerFails(t *testing.T) {
	t.Parallel()
	var checked sync.Map
	calm := newStorm(t, &checked)
	calm.play()
	for n := range calm.turns {
		t.Run(fmt.Sprintf("killed at %d", n+1), func(t *testing.T) {
			t.Parallel()
			s := newStorm(t, &checked)
			s.killAt, s.quiet = n+1, n
			s.play()
		})
	}
	t.Cleanup(func() {
		states := 0
		checked.Range(func(any, any) bool { states++; return true })
		t.Logf("%d moments, %d states of the disk", calm.turns, states)
	})
}

// TestSyncFails: what cannot be brought to disk once is not taken to be there later.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	var checked sync.Map
	opening := newStorm(t, &checked)
	must(t, opening.open())
	must(t, opening.journal.Close())
	calm := newStorm(t, &checked)
	calm.play()
	for n := opening.turns; n < calm.turns; n++ {
		t.Run(fmt.Sprintf("failed at %d", n+1), func(t *testing.T) {
			t.Parallel()
			s := newStorm(t, &checked)
			s.failAt, s.quiet = n+1, n
			s.play()
		})
	}
}
