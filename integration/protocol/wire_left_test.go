package protocol

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// processes are those, by their folders in /proc, that is finds.
func processes(t *testing.T, is func(folder string) bool) []int {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	var found []int
	for _, folder := range folders {
		if is(folder) {
			pid, err := strconv.Atoi(filepath.Base(folder))
			must(t, err)
			found = append(found, pid)
		}
	}
	return found
}

// marked finds processes that have a line in their environment. Of others'
// processes, and of those that have just ended, it cannot be read.
func marked(line string) func(folder string) bool {
	return func(folder string) bool {
		content, err := os.ReadFile(filepath.Join(folder, "environ"))
		return err == nil && bytes.Contains(append([]byte{0}, content...), []byte("\x00"+line+"\x00"))
	}
}

// within finds processes that work in a folder.
func within(dir string) func(folder string) bool {
	return func(folder string) bool {
		cwd, err := os.Readlink(filepath.Join(folder, "cwd"))
		return err == nil && strings.HasPrefix(cwd+"/", dir+"/")
	}
}

// killAll ends processes that may have ended already.
func killAll(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("kill process %d: %v", pid, err)
		}
	}
}

// killLeftBehind ends the process whose number a step has written to a file: it
// has outlived its agent.
func (n *node) killLeftBehind(file string) {
	n.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(n.read(file)))
	must(n.t, err)
	must(n.t, syscall.Kill(pid, syscall.SIGKILL))
}
