package memory

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestRests(t *testing.T) {
	t.Parallel()
	const kB, MB = 1 << 10, 1 << 20
	var w watch
	for n, look := range []struct {
		allocated uint64 // since the last look
		rests     bool
	}{
		{3 * MB, false}, {100 * kB, false}, // what a start takes
		{50 * MB, false}, {900 * MB, false}, // works
		{200 * kB, true}, {200 * kB, false}, {0, false}, // rests, once
		{2 * MB, false}, {2 * MB, false}, {kB, true}, // worked a little
		{MB - 1, false}, {MB - 1, false}, {MB - 1, false}, {MB - 1, false}, {MB - 1, true}, // does next to nothing, all the time
	} {
		total := w.last + look.allocated
		if got := w.rests(total); got != look.rests {
			t.Errorf("look %d: %t", n, got)
		}
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	const MB = 1 << 20
	for used, want := range map[uint64]int{
		0: 200, MB: 200, 5 * MB: 200, 6 * MB: 150, 8 * MB: 100, 12 * MB: 25, 16 * MB: 25, 1000 * MB: 25,
	} {
		if got := garbage(used); got != want {
			t.Errorf("%d bytes are in use: %d %%, want %d %%", used, got, want)
		}
	}
}

// The runtime does what is decided.
//
//nolint:paralleltest // it is about the whole process
func TestTend(t *testing.T) {
	defer debug.SetGCPercent(usual)
	deadline := time.Now().Add(10 * time.Second)
	whileTended(t, "", func() {
		for read("/gc/gogc:percent") != least && time.Now().Before(deadline) {
			runtime.GC()
		}
		wantPercent(t, least)
	})
}

// Who has set GOGC, if only to what is usual, is obeyed.
//
//nolint:paralleltest // it is about the whole process
func TestTendObeys(t *testing.T) {
	defer debug.SetGCPercent(usual)
	whileTended(t, "100", func() {
		for range 50 { // by then it would have been done
			runtime.GC()
		}
		wantPercent(t, usual)
	})
}

// whileTended does something with 32 MiB in use.
func whileTended(t *testing.T, gogc string, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); Tend(ctx, gogc) }()
	kept := make([]byte, 32<<20)
	do()
	runtime.KeepAlive(kept)
	cancel()
	<-ended
}

func wantPercent(t *testing.T, want uint64) {
	t.Helper()
	if percent := read("/gc/gogc:percent"); percent != want {
		t.Errorf("%d %% with 32 MiB in use, want %d %%", percent, want)
	}
}
