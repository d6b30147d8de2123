// Package memory has an agent take some memory to work with, whatever it does with it, and give
// it back when it rests.
//
// The Go runtime lets as much garbage gather as there is memory in use (GOGC=100). That is too
// little for an agent that uses 4 MiB, and under load would collect garbage fifty times a second, and
// much for one that keeps what steps print, or the records of 10,000 nodes.
package memory

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// room is for what is in use and garbage together, in bytes.
	room = 16 << 20
	// Bounds of how much garbage may gather, in percent of what is in use.
	least, most = 25, 200
	// lookEvery is how often is looked whether the agent rests.
	lookEvery = 10 * time.Second
)

// usual is what the runtime does if nobody has set GOGC.
const usual = 100

// Tend does so until ctx ends; it is for the one process that calls it once. For whoever has set
// the variable GOGC, of which gogc is the value, memory is only given back.
func Tend(ctx context.Context, gogc string) {
	if gogc == "" {
		follow(ctx, usual)
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var watch watch
	for {
		select {
		case <-ticker.C:
			if watch.rests(read("/gc/heap/allocs:bytes")) {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// follow has the next collection of garbage decide how much may gather until the one after it:
// a finalizer runs after each. percent is what counts now.
func follow(ctx context.Context, percent int) {
	// Without a pointer in it, it could share its memory with others, and live as long as they do.
	runtime.SetFinalizer(&struct{ pointer *byte }{}, func(any) {
		if ctx.Err() != nil {
			return
		}
		if next := garbage(read("/gc/heap/live:bytes")); next != percent {
			percent = next
			debug.SetGCPercent(percent)
		}
		follow(ctx, percent)
	})
}

// garbage is how much of it may gather, in percent of what is in use, in steps, so that it does
// not change all the time.
func garbage(used uint64) int {
	const step = 25
	left := room - min(used, room)
	percent := 100 * left / max(used, 1) / step * step
	return int(min(max(percent, least), most))
}

func read(metric string) uint64 {
	samples := []metrics.Sample{{Name: metric}}
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
