package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// memoryOf says what Redis has after a fault of what it acknowledged before.
type memoryOf string

const (
	durable memoryOf = "durable" // all of it
	emptied memoryOf = "emptied" // nothing
	rolled  memoryOf = "rolled"  // what it had some moments before
)

// config is what a run is made of.
type config struct {
	agent       string // path of the binary
	path        string // PATH of its steps
	dir         string // everything of the run is below it
	seed        uint64
	tasks       int // to be acknowledged, at least
	faults      int
	memory      memoryOf
	interval    time.Duration
	concurrency int
	say         func(format string, args ...any) // tells of each fault
}

// plan is the schedule of a run.
func (c config) plan() []fault {
	decks := map[memoryOf][]card{
		durable: durableDeck(c.interval), emptied: emptyingDeck(c.interval), rolled: rollingDeck(),
	}
	return schedule(c.seed, c.tasks, c.faults, decks[c.memory])
}

// stage is all that a run is played on.
type stage struct {
	server  *server
	proxy   *proxy
	agent   *agent
	ledger  *ledger
	watcher *watcher
	pusher  *pusher
	clients *clients
}

// newStage starts Redis and the proxy; the agent is ready to be started.
func newStage(ctx context.Context, cfg config) (*stage, error) {
	st := &stage{ledger: newLedger()}
	var err error
	if st.server, err = newServer(ctx, filepath.Join(cfg.dir, "redis"), cfg.memory != emptied); err != nil {
		return nil, err
	}
	if st.proxy, err = newProxy(ctx, st.server.address); err != nil {
		return nil, errors.Join(err, st.close())
	}
	if st.agent, err = newAgent(cfg, cfg.dir, st.proxy.address()); err != nil {
		return nil, errors.Join(err, st.close())
	}
	st.watcher = newWatcher(ctx, st.server, st.ledger)
	st.pusher = newPusher(st.server, st.ledger, cfg.seed)
	st.clients = newClients(st.server, st.ledger, st.pusher.push)
	return st, nil
}

// close ends all processes and connections.
func (st *stage) close() error {
	var errs []error
	if st.agent != nil {
		errs = append(errs, st.agent.close())
	}
	if st.proxy != nil {
		errs = append(errs, st.proxy.end())
	}
	return errors.Join(append(errs, st.server.close())...)
}

// stuckTime is more than the longest fault takes.
const stuckTime = 90 * time.Second

var errStuck = errors.New("for " + stuckTime.String() + " no task was taken and none came to its end")

// guard ends the storm when nothing moves any more.
func (st *stage) guard(ctx context.Context, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if st.ledger.still() > stuckTime {
				stop(errStuck)
			}
		}
	}
}
