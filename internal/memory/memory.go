// Package memory has an agent take more memory while it works, which spares it a good part of
// the garbage collector's time, and give it back when it rests.
package memory

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// workPercent is how much garbage may gather while an agent works, in percent of what is in
	// use: an agent at rest uses so little that by the runtime's own measure, 100, it would
	// collect garbage fifty times a second under load.
	workPercent = 200
	usual       = 100
	// lookEvery is how often is looked whether the agent rests.
	lookEvery = 10 * time.Second
)

// Tend does so until ctx ends. Whoever has set GOGC knows better, and has memory given back alone.
func Tend(ctx context.Context) {
	if set := debug.SetGCPercent(workPercent); set != usual {
		debug.SetGCPercent(set)
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var watch watch
	for {
		select {
		case <-ticker.C:
			if watch.rests(allocated()) {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// allocated is how many bytes the process has ever allocated.
func allocated() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64()
}

// What a process allocates, in bytes: less than quiet between two looks while it rests, and
// more than work before there is something worth giving back.
const (
	quiet = 1 << 20
	work  = 4 << 20
)

// watch knows what was allocated at the last look, and when memory was given back.
type watch struct {
	last, given uint64
}

// rests tells whether a process that has worked does no more, and notes that it gives memory back.
func (w *watch) rests(allocated uint64) bool {
	lately := allocated - w.last
	w.last = allocated
	if lately >= quiet || allocated-w.given < work {
		return false
	}
	w.given = allocated
	return true
}
