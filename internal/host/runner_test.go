package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExecOutputAndErrors(t *testing.T) {
	t.Parallel()
	out, err := Exec{}.Run(t.Context(), "sh", "-c", "echo out; echo err >&2")
	if err != nil || out != "out\nerr\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = Exec{}.Run(t.Context(), "sh", "-c", "echo first; echo 'the reason' >&2; exit 3")
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "the reason") || !strings.Contains(err.Error(), "run sh -c") {
		t.Errorf("%v", err)
	}
	if _, err = (Exec{}).Run(t.Context(), "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestExecGivenUp: the whole group ends with the command, as wg-quick waits for
// programs of its own.
func TestExecGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := filepath.Join(t.TempDir(), "running")
	said, ended := "", make(chan error, 1)
	go func() {
		var err error
		said, err = Exec{}.Run(ctx, "sh", "-c", `sleep 60 & echo $!; : >"$0"; wait`, running)
		ended <- err
	}()
	waitFor(t, "the command's child", func() bool { _, err := os.Stat(running); return err == nil })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(said))
	must(t, err)
	waitFor(t, "the end of the command's child", func() bool { return !alive(pid) })
}

// TestExecLeavesDaemons: a program that the command left behind, with its output
// open, does not delay the end of the command and can still write.
func TestExecLeavesDaemons(t *testing.T) {
	t.Parallel()
	said := filepath.Join(t.TempDir(), "said")
	fifo := filepath.Join(t.TempDir(), "go")
	must(t, syscall.Mkfifo(fifo, 0o600))
	start := time.Now()
	_, err := Exec{}.Run(t.Context(), "sh", "-c", `(read line <"$1"; echo daemon >&2 && echo yes >"$0.new" && mv "$0.new" "$0") &`, said, fifo)
	must(t, err)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	file, err := os.OpenFile(fifo, os.O_RDWR, 0)
	must(t, err)
	_, err = file.WriteString("go\n")
	must(t, err)
	waitFor(t, "the daemon, which writes to its stderr", func() bool {
		text, readErr := os.ReadFile(said)
		return readErr == nil && string(text) == "yes\n"
	})
	must(t, file.Close())
}
