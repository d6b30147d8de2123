package script

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestRepeatable: the file beside the folders declares actions, and is read again
// when it has changed, also if it has its size and its time from before.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]func() time.Time{"settled": later, "just changed": time.Now} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source := NewSource(dir, &Runner{})
			source.repeatable.now = now
			ask := func(name string, want bool) {
				t.Helper()
				action, err := source.Lookup(name)
				if err != nil || action.Repeatable != want {
					t.Fatalf("%s: %v, %v", name, action.Repeatable, err)
				}
			}
			ask("read", false)
			path, before := filepath.Join(dir, "repeatable"), time.Now().Add(-time.Hour)
			write := func(text string) {
				t.Helper()
				change(t, path, func() error {
					return errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, before, before))
				})
			}
			write("# what only reads\n  read  # the status\n\nlist\n")
			ask("read", true)
			ask("list", true)
			ask("# what only reads", false)
			ask("", false)
			write("# what only reads\n  none  # the status\n\nlist\n")
			ask("read", false)
			ask("none", true)
		})
	}
}

// TestRepeatableIsKept: a file that looks as before is not read again, one that has just changed is.
func TestRepeatableIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "repeatable")
	if err := os.WriteFile(path, []byte("read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := stampTime(path)
	for age, want := range map[time.Duration]bool{settleTime: true, settleTime - 1: false, -time.Hour: false} {
		d := &declared{now: func() time.Time { return changed.Add(age) }}
		if has, err := d.has(dir, "read"); err != nil || !has {
			t.Errorf("%v, %v", has, err)
		}
		if kept := d.names != nil; kept != want {
			t.Errorf("%v after the change: kept is %v", age, kept)
		}
	}
}

// TestUnreadableRepeatable: what cannot be read is an error of each task, and not
// taken for a no.
func TestUnreadableRepeatable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "repeatable"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSource(dir, &Runner{}).Lookup("x"); err == nil {
		t.Fatal("no error")
	}
}

// TestActionNamedRepeatable: it is an action like others, and declares nothing.
func TestActionNamedRepeatable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, "repeatable")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "10a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, steps := range map[string]int{"x": 0, "repeatable": 1} {
		action, err := NewSource(dir, &Runner{}).Lookup(name)
		if err != nil || action.Repeatable || len(action.Steps) != steps {
			t.Errorf("%s: %+v, %v", name, action, err)
		}
	}
}
