package memory

import (
	"runtime"
	"testing"
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

func TestAllocated(t *testing.T) {
	t.Parallel()
	before := allocated()
	kept := make([]byte, 1<<20)
	if grown := allocated() - before; grown < 1<<20 {
		t.Errorf("%d bytes", grown)
	}
	runtime.KeepAlive(kept)
}
