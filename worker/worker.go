// Package worker is the engine of an agent: it takes tasks from a queue, runs
// each as an action made of ordered steps, and tells a board what became of
// it; it also runs the handlers of events.
//
// The engine knows no Redis and no WireGuard. Tasks come from a [Queue],
// outcomes go to a [Board], events come from an [EventSource]; what a step may
// see and do is its [Call].
//
// The life of a task:
//
//	queue ──Next──▶ taken ──Accept──▶ pending ──first step──▶ running
//	                                     │                       │
//	                (no step, bad input) │                       │ last step, failure, cancel
//	                                     ▼                       ▼
//	                          completed · aborted · validation-failed ──Finish──▶ forgotten
//
// A worker that was stopped does not wait for the last step of a task for ever: see [Worker.Run].
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Config says what a worker works with. AgentID, Actions, Queue, Board, Journal and
// Log must be set; zero values of the others mean the defaults beside them.
type Config struct {
	AgentID string        // cluster, node/N or module/NAME
	Actions *Registry     // what tasks may ask for
	Events  *Registry     // handlers of events; nil: none
	Queue   Queue         // where tasks come from
	Board   Board         // where their outcomes go
	Journal Journal       // how far tasks have come, for the next life
	Source  EventSource   // where events come from; nil: nowhere
	Schemas SchemaChecker // checks input and output; nil: actions with a schema abort
	Log     *logrus.Entry // the agent's log
	Stderr  io.Writer     // copy of what steps print to stderr; default: dropped
	Tuning
}

// Tuning holds the numbers of a worker, each with its default.
type Tuning struct {
	PollingInterval time.Duration // heartbeat period; 5 s
	MaxConcurrency  int           // tasks, and separately events, running at once; 32
	OutputLimit     int           // bytes kept of each output stream of a task; 16 MiB
	OverloadWait    time.Duration // how long an event, or a task, over the limit waits before it is rejected; 500 ms
	StepGrace       time.Duration // how long steps are waited for once the worker was stopped; 600 ms
	StopGrace       time.Duration // how long results may still be stored once the worker was stopped; 750 ms
	// RejectWhenBusy has tasks over the limit rejected with exit code 11, after
	// OverloadWait, instead of left in the queue until their turn comes.
	RejectWhenBusy bool
}

const (
	defaultPollingInterval = 5 * time.Second
	defaultMaxConcurrency  = 32
	defaultOutputLimit     = 16 << 20
	defaultOverloadWait    = 500 * time.Millisecond
	// A stopped agent has to be gone within a second (protocol, section 6). The most of it belongs
	// to the steps; then Redis has to hear what became of those that take longer.
	defaultStepGrace = 600 * time.Millisecond
	defaultStopGrace = 750 * time.Millisecond
)

// Worker runs tasks and event handlers until it is stopped or drained.
type Worker struct {
	cfg      Config
	stderr   *journal
	running  *running
	busy     *gauge        // tasks that run, and looks that may bring some
	tasks    *gauge        // those that run
	slots    chan struct{} // one for each task that runs
	crowded  chan struct{} // tasks have to wait for a slot
	short    atomic.Bool   // they do so now
	subtasks *subtasks
	leaving  *leaving
	left     chan struct{} // a result was left in the journal
	draining chan struct{}
	drain    sync.Once
}

// New checks cfg, fills in defaults and returns a worker that is not running yet.
func New(cfg Config) (*Worker, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("configure worker: %w", err)
	}
	w := &Worker{
		cfg:      cfg,
		stderr:   &journal{w: cfg.Stderr},
		running:  newRunning(),
		busy:     newGauge(),
		tasks:    newGauge(),
		slots:    make(chan struct{}, cfg.MaxConcurrency),
		crowded:  make(chan struct{}, 1),
		leaving:  newLeaving(),
		left:     make(chan struct{}, 1),
		draining: make(chan struct{}),
	}
	w.subtasks = newSubtasks(w.warnOfDescents)
	return w, nil
}

func (c *Config) complete() error {
	if c.AgentID == "" || c.Actions == nil || c.Queue == nil || c.Board == nil || c.Journal == nil || c.Log == nil {
		return errors.New("agent id, actions, queue, board, journal and log are required")
	}
	if c.MaxConcurrency < 0 || c.PollingInterval < 0 || c.OutputLimit < 0 || c.StepGrace < 0 || c.StopGrace < 0 || c.OverloadWait < 0 {
		return errors.New("negative limits make no sense")
	}
	setDefault(&c.PollingInterval, defaultPollingInterval)
	setDefault(&c.MaxConcurrency, defaultMaxConcurrency)
	setDefault(&c.OutputLimit, defaultOutputLimit)
	setDefault(&c.OverloadWait, defaultOverloadWait)
	setDefault(&c.StepGrace, defaultStepGrace)
	setDefault(&c.StopGrace, defaultStopGrace)
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	return nil
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Run takes and runs tasks and events until parent ends or, after [Worker.Drain],
// nothing runs any more. When parent ends, running steps are cancelled, their
// tasks settled as aborted, and event handlers end without a word. A step that has not
// ended after the grace for steps is given up: its task is settled all the same, and Run
// may return before the step does.
func (w *Worker) Run(parent context.Context) {
	ctx, stop := context.WithCancelCause(context.WithoutCancel(parent))
	defer stop(nil)
	defer context.AfterFunc(parent, func() { stop(errStopped) })()

	eventsCtx, stopEvents := context.WithCancel(ctx)
	defer stopEvents()

	var events sync.WaitGroup
	if w.cfg.Source != nil && w.cfg.Events != nil {
		events.Go(func() { w.takeEvents(ctx, eventsCtx) })
	}
	beside, stopBeside := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { w.settleLeft(beside) })
	helpers.Go(func() { w.serveAhead(beside, ctx) })
	helpers.Go(func() { w.serveSubtasks(beside, ctx) })
	w.takeTasks(ctx)
	stopBeside()
	helpers.Wait()
	stopEvents()
	events.Wait()
}

// Drain asks a running worker to end by itself: it goes on taking tasks while
// any is running, since a running one may wait for a task in the same queue.
func (w *Worker) Drain() {
	w.drain.Do(func() { close(w.draining) })
}
