package worker

import (
	"context"
	"sync"
)

// gauge counts what is busy and can be waited on until nothing is.
type gauge struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed while n is 0
}

func newGauge() *gauge {
	idle := make(chan struct{})
	close(idle)
	return &gauge{idle: idle}
}

func (g *gauge) add() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n == 0 {
		g.idle = make(chan struct{})
	}
	g.n++
}

func (g *gauge) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.n == 0 {
		close(g.idle)
	}
}

func (g *gauge) isIdle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n == 0
}

// wait blocks until nothing is busy; false if ctx ended before.
func (g *gauge) wait(ctx context.Context) bool {
	g.mu.Lock()
	idle := g.idle
	g.mu.Unlock()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
		return false
	}
}
