package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/testbed"
)

// built is where the programs under test are built, before the tests enter their
// namespaces, which have no network for modules.
const built = "../../build/turmoil-test/"

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	os.Exit(testbed.Main(m, func() error { return testbed.Build(built, "cmd/agent", "cmd/apply-vpn-routes") }, testbed.DialsOn()))
}

// TestTurmoil is the short form of `make chaos-cluster`: the same but for its size, and
// its faults are shorter.
func TestTurmoil(t *testing.T) {
	t.Parallel()
	testbed.NeedLab(t)
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
