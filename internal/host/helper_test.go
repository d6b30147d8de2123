package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// skipOrFail skips a test that the machine cannot run, except in CI, where a
// test that silently does not run would pass for one that does.
func skipOrFail(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CANNOT RUN: %s", why)
	}
	t.Skipf("SKIPPED: %s", why)
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skipOrFail(t, "needs root")
	}
}

// tempFiles is a machine with the directories that a real one has.
func tempFiles(t *testing.T) Files {
	t.Helper()
	files := NewFiles(t.TempDir())
	for _, path := range []string{
		files.HostsFile(), files.PrivateKey(), files.PIDFile("x"),
		files.StateEnvironment(ClusterAgent), files.StateEnvironment(NodeAgent),
	} {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	}
	return files
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// fakeRunner is a system that knows some command lines, by what they fail with,
// and fails the test on any other.
type fakeRunner struct {
	t     *testing.T
	known map[string]error

	mu  sync.Mutex
	ran []string
}

func (f *fakeRunner) Run(_ context.Context, name string, args ...string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := strings.Join(append([]string{name}, args...), " ")
	f.ran = append(f.ran, line)
	err, ok := f.known[line]
	if !ok {
		f.t.Errorf("unexpected command: %s", line)
		return "", fmt.Errorf("run %s: %w", line, exec.ErrNotFound)
	}
	return "", err
}

func (f *fakeRunner) lines() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.ran, "\n")
}

// waitFor looks until something holds that has no signal of its own.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}
