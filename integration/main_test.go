// Package integration tests whole clusters, built by package lab on this machine.
package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cluster-agent/integration/lab"
)

// agentFile is where the agent under test is built, once for all tests, before the
// tests enter their namespaces, which have no network for modules.
const agentFile = "../build/integration/agent"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if code, ran := lab.RunRole(os.Args); ran {
		return code
	}
	// Without what a lab needs the tests run outside, and skip themselves.
	if lab.Inside(os.Args) || lab.Usable() != nil {
		return m.Run()
	}
	if err := error(nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code, err := lab.Enter(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// buildAgent builds the agent with the race detector if the tests have it.
func buildAgent() error {
	args := []string{"build", "-o", agentFile}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "../cmd/agent")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the agent: %w", err)
	}
	return nil
}

// needLab skips a test where no lab can be made; in CI that is a failure.
func needLab(t *testing.T) {
	t.Helper()
	if lab.Inside(os.Args) {
		return
	}
	why := "namespaces were not made"
	if err := lab.Usable(); err != nil {
		why = err.Error()
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("in CI every test must run: %s", why)
	}
	t.Skipf("skipped: %s", why)
}

// deadline is the time a test may take before it is called stuck.
func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// newLab makes machines with the agent installed; they go with the test.
func newLab(ctx context.Context, t *testing.T, nodes int) *lab.Lab {
	t.Helper()
	needLab(t)
	path, err := filepath.Abs(agentFile)
	if err != nil {
		t.Fatal(err)
	}
	return makeLab(ctx, t, lab.Config{Nodes: nodes, Agent: path})
}

func makeLab(ctx context.Context, t *testing.T, cfg lab.Config) *lab.Lab {
	t.Helper()
	needLab(t)
	l, err := lab.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
