package script

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// later is a clock by which what was just changed has settled.
func later() time.Time { return time.Now().Add(settleTime) }

// change does something to a path. A clock by which that has settled takes for granted that the
// kernel stamps it with another time than before: more is done until it has.
func change(t *testing.T, path string, do func() error) {
	t.Helper()
	before := stamp(path)
	if err := do(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); before != (syscall.Timespec{}) && stamp(path) == before; {
		if time.Now().After(deadline) {
			t.Fatalf("the clock that %s is stamped with stands still", path)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// stamp is when something was changed at a path; zero: nothing is there.
func stamp(path string) syscall.Timespec {
	var stat syscall.Stat_t
	if syscall.Stat(path, &stat) != nil {
		return syscall.Timespec{}
	}
	return stat.Ctim
}

// stampTime is stamp as a time.
func stampTime(path string) time.Time {
	changed := stamp(path)
	return time.Unix(changed.Unix())
}

// listed is what a folder is said to hold, in one line.
func listed(t *testing.T, l *listings, dir string) string {
	t.Helper()
	entries, err := l.of(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return strings.Join(names, " ")
}

// TestListings: what is remembered is what the folder holds, whatever happens to it.
func TestListings(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]func() time.Time{"settled": later, "just changed": time.Now, "clock that was set back": func() time.Time { return time.Time{} }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "folder")
			file := func(name string) string { return filepath.Join(folder, name) }
			before := time.Now().Add(-time.Hour)
			// As a package manager and tar(1) leave it: with the time that it had.
			stamped := func(err error) error { return errors.Join(err, os.Chtimes(folder, before, before)) }
			l := &listings{now: now}
			for _, c := range []struct {
				do   func() error
				want string
			}{
				{func() error { return nil }, ""}, // it is not there
				{func() error { return stamped(os.Mkdir(folder, 0o700)) }, ""},
				{func() error { return stamped(os.WriteFile(file("b"), nil, 0o600)) }, "b"},
				{func() error { return nil }, "b"},
				{func() error { return stamped(os.Rename(file("b"), file("a"))) }, "a"},
				{func() error { return stamped(os.Mkdir(file("z"), 0o700)) }, "a z"},
				{func() error { return stamped(os.Remove(file("a"))) }, "z"},
				{func() error { return os.RemoveAll(folder) }, ""},
				{func() error { return os.WriteFile(folder, nil, 0o600) }, ""},
			} {
				change(t, folder, c.do)
				if got := listed(t, l, folder); got != c.want {
					t.Fatalf("listed as %q, want %q", got, c.want)
				}
			}
		})
	}
}

// TestListingsOfLinks: where a link leads may change at any time, as when a new version is put in
// place and taken back.
func TestListingsOfLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, version := range []string{"v1", "v2"} {
		if err := errors.Join(os.Mkdir(at(version), 0o700), os.WriteFile(filepath.Join(at(version), version), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	lead := func(to string) {
		if err := errors.Join(os.Symlink(to, at("new")), os.Rename(at("new"), at("link"))); err != nil {
			t.Fatal(err)
		}
	}
	lead("v1")
	l := &listings{now: later}
	for range 1000 {
		var meanwhile sync.WaitGroup
		meanwhile.Go(func() {
			if _, err := l.of(at("link")); err != nil {
				t.Error(err)
			}
		})
		lead("v2")
		lead("v1")
		meanwhile.Wait()
		if got := listed(t, l, at("link")); got != "v1" {
			t.Fatalf("it leads to v1, and %q is listed", got)
		}
		l.kept.Clear()
	}
}

// TestListingsAreKept: a folder that looks as before is not read again, one that has just changed is.
func TestListingsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	changed := stampTime(dir)
	for age, want := range map[time.Duration]bool{settleTime: true, settleTime - 1: false, 0: false, -time.Hour: false} {
		l := &listings{now: func() time.Time { return changed.Add(age) }}
		listed(t, l, dir)
		if _, kept := l.kept.Load(dir); kept != want {
			t.Errorf("%v after the change: kept is %v", age, kept)
		}
	}
}

// TestIsSettled: some file systems stamp changes with times that are even seconds.
func TestIsSettled(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]bool{2 * time.Second: false, 3 * time.Second: true} {
		if got := (look{changed: syscall.Timespec{Sec: 1000}}).isSettled(time.Unix(1000, 0).Add(age)); got != want {
			t.Errorf("after %v: %v", age, got)
		}
	}
}

// BenchmarkLookup looks an action of ten steps up, in a folder that has just changed and in one that has settled.
func BenchmarkLookup(b *testing.B) {
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range 10 {
		if err := os.WriteFile(filepath.Join(dir, "a", strconv.Itoa(10+i)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for name, now := range map[string]func() time.Time{"just changed": func() time.Time { return time.Time{} }, "settled": later} {
		b.Run(name, func(b *testing.B) {
			source := NewSource(dir, &Runner{})
			source.listings.now = now
			for b.Loop() {
				if _, err := source.Lookup("a"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
