package script

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// later is a clock by which what was just changed has settled.
func later() time.Time { return time.Now().Add(settleTime) }

// change does something to a path. A clock by which that has settled takes for granted that it looks
// different then: it is stamped until it does.
func change(t *testing.T, path string, do func() error) {
	t.Helper()
	before, _, _ := lookAt(path) // it need not be there
	if err := do(); err != nil {
		t.Fatal(err)
	}
	for {
		now, _, err := lookAt(path)
		if err != nil || now != before {
			return
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
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
			l := &listings{now: now}
			before := time.Now().Add(-time.Hour)
			for _, c := range []struct {
				do   func() error
				want string
			}{
				{func() error { return nil }, ""}, // it is not there
				{func() error { return os.Mkdir(folder, 0o700) }, ""},
				{func() error { return os.WriteFile(file("b"), nil, 0o600) }, "b"},
				{func() error { return nil }, "b"},
				{func() error { return os.Rename(file("b"), file("a")) }, "a"},
				{func() error { return os.Chtimes(folder, before, before) }, "a"},
				{func() error { return os.Mkdir(file("z"), 0o700) }, "a z"},
				// As a package manager and tar(1) leave it: with the time that it had.
				{func() error { return os.Chtimes(folder, before, before) }, "a z"},
				{func() error { return os.Remove(file("a")) }, "z"},
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

// TestListingsAreKept: a folder that looks as before is not read again, one that has just changed is.
func TestListingsAreKept(t *testing.T) {
	t.Parallel()
	for want, now := range map[bool]func() time.Time{true: later, false: time.Now} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		l := &listings{now: now}
		listed(t, l, dir)
		if _, kept := l.kept.Load(dir); kept != want {
			t.Errorf("kept: %v, want %v", kept, want)
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
