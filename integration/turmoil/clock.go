package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/internal/wait"
)

// clock knows when the lines of the agents' logs were written, as a journal does: the
// agents leave that to it.
type clock struct {
	end  context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	files map[string][]tick
}

// tick is how long a file was at a moment.
type tick struct {
	size int64
	at   time.Time
}

// stampFormat is that of Redis' log, without the day.
const stampFormat = "15:04:05.000"

// tickInterval is how exact the clock is.
const tickInterval = 20 * time.Millisecond

func startClock(ctx context.Context, c *lab.Cluster) *clock {
	k := &clock{files: map[string][]tick{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // its owner stops it
	k.end = cancel
	k.done.Go(func() {
		for wait.For(ctx, tickInterval) {
			for _, n := range c.Lab.Nodes {
				for _, unit := range []string{lab.NodeAgent, lab.ClusterAgent} {
					k.look(n.Service(unit).LogFile())
				}
			}
		}
	})
	return k
}

func (k *clock) stop() {
	k.end()
	k.done.Wait()
}

func (k *clock) look(file string) {
	info, err := os.Stat(file)
	if err != nil {
		return // it has not been made yet
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	ticks := k.files[file]
	if len(ticks) == 0 || ticks[len(ticks)-1].size != info.Size() {
		k.files[file] = append(ticks, tick{info.Size(), time.Now()})
	}
}

// stamped is a log with the time before each line, from a moment on.
func (k *clock) stamped(file, text string, since time.Time) string {
	k.mu.Lock()
	ticks := k.files[file]
	k.mu.Unlock()
	var out strings.Builder
	read := int64(0)
	for line := range strings.Lines(text) {
		read += int64(len(line))
		for len(ticks) > 1 && ticks[0].size < read {
			ticks = ticks[1:]
		}
		if len(ticks) == 0 || ticks[0].at.Before(since) && ticks[0].size >= read {
			continue
		}
		out.WriteString(ticks[0].at.Format(stampFormat) + " " + line)
	}
	return out.String()
}
