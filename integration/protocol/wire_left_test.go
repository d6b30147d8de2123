package protocol

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// leftBehind are the processes whose environment has a line, by which a test
// marks its agents and what they start.
func leftBehind(t *testing.T, mark string) []string {
	t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	must(t, err)
	var found []string
	for _, path := range environments {
		// Of others' processes, and of those that have just ended, it cannot be read.
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(append([]byte{0}, content...), []byte("\x00"+mark+"\x00")) {
			found = append(found, commandOf(filepath.Dir(path)))
		}
	}
	return found
}

func commandOf(folder string) string {
	line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
	if err != nil {
		return folder
	}
	return filepath.Base(folder) + " " + strings.ReplaceAll(string(line), "\x00", " ")
}

// killLeftBehind ends the process whose number a step has written to a file: it
// has outlived its agent.
func (n *node) killLeftBehind(file string) {
	n.t.Helper()
	content, err := os.ReadFile(filepath.Join(n.dir, file))
	must(n.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	must(n.t, err)
	must(n.t, syscall.Kill(pid, syscall.SIGKILL))
}
