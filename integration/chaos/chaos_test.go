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

	"cluster-agent/integration/testbed"
)

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m, testbed.DialsOn())
}

// TestChaos is the short form of `make chaos`, the same but for its size. Its
// faults are shorter, too, since it polls more often.
func TestChaos(t *testing.T) {
	t.Parallel()
	needServer(t)
	seed := seedOf(t)
	dir := t.TempDir()
	agent := buildAgent(t, dir)
	for _, c := range []struct {
		memory        memoryOf
		tasks, faults int
	}{
		{durable, 800, 20},
		{emptied, 240, 6},
		{rolled, 240, 7},
	} {
		t.Run(string(c.memory), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			o, err := play(ctx, config{
				agent: agent, path: os.Getenv("PATH"), dir: filepath.Join(dir, string(c.memory)), seed: seed, tasks: c.tasks, faults: c.faults,
				memory: c.memory, interval: 100 * time.Millisecond, concurrency: 8, say: t.Logf,
			})
			if err != nil {
				t.Fatalf("%v\nagain: CHAOS_SEED=%d go test ./integration/chaos -run TestChaos", err, seed)
			}
			var text bytes.Buffer
			if err := report(&text, string(c.memory), o); err != nil {
				t.Error(err)
			}
			t.Logf("\n%s", &text)
			if !o.verdict.good() {
				t.Errorf("see above; again: CHAOS_SEED=%d go test ./integration/chaos -run TestChaos; the agent's log: %s", seed, kept(t, o.log, fmt.Sprintf("chaos-%d-%s.log", seed, c.memory)))
			}
		})
	}
}

// seedOf is CHAOS_SEED, or else one that the log names.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64N(1_000_000)
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d; again: CHAOS_SEED=%d go test ./integration/chaos -run TestChaos", seed, seed)
	return seed
}

// kept copies a log to where the end of the test does not remove it.
func kept(t *testing.T, log, name string) string {
	t.Helper()
	text, err := os.ReadFile(log)
	must(t, err)
	file := filepath.Join(os.TempDir(), name)
	must(t, os.WriteFile(file, text, 0o600))
	return file
}

// needServer skips a test where there is no redis-server; in CI that is a failure.
func needServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CANNOT RUN: needs redis-server")
	}
	t.Skip("SKIPPED: needs redis-server")
}

func buildAgent(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "agent")
	must(t, testbed.Build(file, "cmd/agent"))
	return file
}
