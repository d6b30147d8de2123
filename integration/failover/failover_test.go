package main

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"cluster-agent/integration/testbed"
)

// TestFailover is the short form of `make bench-failover`, the same but for its size: what
// was acknowledged is there at the end, once. No time is asked for.
func TestFailover(t *testing.T) {
	t.Parallel()
	testbed.NeedLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	programs, err := filepath.Abs(built)
	if err != nil {
		t.Fatal(err)
	}
	r, err := measure(ctx, config{nodes: 3, promotions: 2, dead: 1, seed: 1, programs: programs}, t.Logf)
	var text bytes.Buffer
	r.write(&text)
	t.Logf("\n%s", &text)
	if err != nil {
		t.Fatal(err)
	}
	if !r.good() {
		t.Error("something was lost or doubled: see above")
	}
	if p, s := len(r.Alive.Promotions), len(r.Dead.Successions); p != 2 || s != 2 {
		t.Errorf("%d promotions and %d dead leaders, want 2 and 2", p, s)
	}
	for _, v := range []verdict{r.Alive.Traffic, r.Dead.Traffic} {
		if v.Writes == 0 || v.Tasks.Pushed == 0 {
			t.Errorf("nobody wrote or pushed: %+v", v)
		}
	}
}
