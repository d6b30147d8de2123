package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"cluster-agent/integration/lab"
)

// built is where the programs under test are built, before the tests enter their
// namespaces, which have no network for modules.
const built = "../../build/integration-failover/"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if code, ran := lab.RunRole(os.Args); ran {
		return code
	}
	if lab.Inside(os.Args) {
		redis.SetLogger(quiet{})
		return runInside(m)
	}
	// Without what a lab needs the tests run outside, and those that need one skip themselves.
	if lab.Usable() != nil {
		return m.Run()
	}
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code, err := lab.Enter(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// runInside runs the tests and then looks for goroutines that were left behind.
func runInside(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	// go-redis tries a dead address again in a goroutine of its own, which notices
	// within a second that its client was closed.
	if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// build builds the programs with the race detector if the tests have it.
func build() error {
	args := []string{"build", "-o", built}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "../../cmd/agent", "../../cmd/apply-vpn-routes")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the programs under test: %w", err)
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
		t.Fatalf("CANNOT RUN: in CI every test must run: %s", why)
	}
	t.Skipf("SKIPPED: %s", why)
}
