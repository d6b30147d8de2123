package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"cluster-agent/integration/lab"
)

// built is where the programs under test are built, before the tests enter their
// namespaces, which have no network for modules.
const built = "../../build/turmoil-test/"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if code, ran := lab.RunRole(os.Args); ran {
		return code
	}
	redis.SetLogger(quiet{})
	if !lab.Inside(os.Args) {
		return enterTests(m)
	}
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

// enterTests runs the tests in namespaces; where there can be none they skip themselves.
func enterTests(m *testing.M) int {
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

// build has the race detector in the programs if the tests have it.
func build() error {
	if os.Getenv("PREBUILT") == "true" {
		return nil
	}
	args := []string{"build", "-o", built}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "../../cmd/agent", "../../cmd/apply-vpn-routes")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs under test: %w\n%s", err, text)
	}
	return nil
}

// TestTurmoil is the short form of `make chaos-cluster`: the same but for its size, and
// its faults are shorter.
func TestTurmoil(t *testing.T) {
	t.Parallel()
	needLab(t)
	programs, err := filepath.Abs(built)
	if err != nil {
		t.Fatal(err)
	}
	const schedules = 2
	o := options{
		seed: seedOf(t), schedules: schedules, nodes: 4, programs: programs, silences: []time.Duration{leastSilence}, most: 3 * time.Second,
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("turmoil-test-%d", o.seed))
	var text bytes.Buffer
	outcomes, err := o.playEach(ctx, dir, func(one outcome) { tell(&text, one) })
	good := total(&text, outcomes, schedules)
	t.Logf("\n%s", &text)
	if err != nil || !good {
		t.Errorf("%v, see above; again: TURMOIL_SEED=%d go test ./integration/turmoil -run TestTurmoil", err, o.seed)
	}
}

// seedOf is TURMOIL_SEED, or else one that the log names.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64N(1_000_000)
	if text := os.Getenv("TURMOIL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d; again: TURMOIL_SEED=%d go test ./integration/turmoil -run TestTurmoil", seed, seed)
	return seed
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
