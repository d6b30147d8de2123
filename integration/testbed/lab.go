package testbed

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"cluster-agent/integration/lab"
)

// Main runs the tests of a package inside the namespaces of a lab, and looks afterwards
// for goroutines that were left behind. prepare comes first, outside, where there is a
// network for modules. Without what a lab needs the tests run outside, and those that
// call NeedLab skip themselves. It returns the exit code.
func Main(m *testing.M, prepare func() error, leaks ...goleak.Option) int {
	if code, ran := lab.RunRole(os.Args); ran {
		return code
	}
	if lab.Inside(os.Args) {
		return runInside(m, leaks)
	}
	if lab.Usable() != nil {
		return m.Run()
	}
	if err := prepare(); err != nil {
		return fail(err)
	}
	code, err := lab.Enter(os.Args)
	if err != nil {
		return fail(err)
	}
	return code
}

func runInside(m *testing.M, leaks []goleak.Option) int {
	if code := m.Run(); code != 0 {
		return code
	}
	if err := goleak.Find(leaks...); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// DialsOn lets go-redis try a dead address again in a goroutine of its own, which notices
// within a second that its client was closed.
func DialsOn() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
}

// NeedLab skips a test where no lab can be made; in CI that is a failure.
func NeedLab(t *testing.T) {
	t.Helper()
	if lab.Inside(os.Args) {
		return
	}
	why := "namespaces were not made"
	if err := lab.Usable(); err != nil {
		why = err.Error()
	}
	if os.Getenv("CI") == "true" { //nolint:forbidigo // tests alone call it
		t.Fatalf("CANNOT RUN: in CI every test must run: %s", why)
	}
	t.Skipf("SKIPPED: %s", why)
}
