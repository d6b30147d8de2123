package host

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func stat(t *testing.T, path string) (fs.FileMode, *syscall.Stat_t) {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no stat")
	}
	return info.Mode(), sys
}

func TestWriteFileOutcomes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for _, step := range []struct {
		text string
		attr Attr
		want Outcome
		mode fs.FileMode
	}{
		{"a", Attr{Perm: 0o664}, Created, 0o664},
		{"a", Public(), Kept, 0o664},
		{"bc", Public(), Changed, 0o664},
		{"bc", Secret(), Changed, 0o600},
		{"bc", Secret(), Kept, 0o600},
		{"d", Public(), Changed, 0o600},
	} {
		got, err := WriteFile(path, []byte(step.text), step.attr)
		mode, _ := stat(t, path)
		if err != nil || got != step.want || mode != step.mode || content(t, path) != step.text {
			t.Errorf("%q: %s, mode %v, %v", step.text, got, mode, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestWriteFileIsNotMadeForNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	put(t, path, "same")
	_, before := stat(t, path)
	_, err := WriteFile(path, []byte("same"), Public())
	must(t, err)
	_, after := stat(t, path)
	if before.Ino != after.Ino {
		t.Error("the file was replaced")
	}
	_, err = WriteFile(path, []byte("other"), Public())
	must(t, err)
	if _, after = stat(t, path); before.Ino == after.Ino {
		t.Error("the file was written in place: not atomic")
	}
}

func TestWriteFileFollowsLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	put(t, target, "old")
	must(t, os.Symlink("target", link))
	_, err := WriteFile(link, []byte("new"), Public())
	must(t, err)
	if mode, _ := stat(t, link); mode&fs.ModeSymlink == 0 || content(t, target) != "new" {
		t.Errorf("link is %v, target %q", mode, content(t, target))
	}
}

func TestWriteFileErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing", "f")} {
		if _, err := WriteFile(path, nil, Public()); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

func TestWriteFileKeepsOwner(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	path := filepath.Join(t.TempDir(), "f")
	_, err := WriteFile(path, []byte("a"), Attr{Perm: 0o640, Owner: &Owner{UID: 1234, GID: 2345}})
	must(t, err)
	_, err = WriteFile(path, []byte("b"), Public())
	must(t, err)
	if mode, sys := stat(t, path); mode != 0o640 || sys.Uid != 1234 || sys.Gid != 2345 {
		t.Errorf("mode %v, owner %d:%d", mode, sys.Uid, sys.Gid)
	}
}

// TestWriteFileBindMounted: a container has /etc/hosts as a mount of its own,
// which cannot be renamed over.
func TestWriteFileBindMounted(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	dir := t.TempDir()
	source, path := filepath.Join(dir, "source"), filepath.Join(dir, "hosts")
	put(t, source, "a long content\n")
	put(t, path, "")
	done := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and its mount
		// namespace with it.
		runtime.LockOSThread()
		done <- writeBindMounted(source, path)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := content(t, source); got != "short\n" {
		t.Errorf("mounted file holds %q", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func writeBindMounted(source, path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	_, err := WriteFile(path, []byte("short\n"), Public())
	return err
}
