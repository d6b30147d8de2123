package node

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Flight lets many callers share runs of one job: while one runs, any number
// of further calls means one more run, not many.
type Flight struct {
	job func(context.Context) error

	mu      sync.Mutex
	running bool
	next    *run // the run that callers who come now will share; nil: none waits
}

type run struct {
	done chan struct{}
	err  error
}

// NewFlight returns a flight of job.
func NewFlight(job func(context.Context) error) *Flight { return &Flight{job: job} }

// Do returns the outcome of a run that began after the call. The run belongs to
// all who wait for it: ctx ends only this caller's wait.
func (f *Flight) Do(ctx context.Context) error {
	f.mu.Lock()
	if f.next == nil {
		f.next = &run{done: make(chan struct{})}
	}
	mine := f.next
	if !f.running {
		f.running = true
		go f.fly(context.WithoutCancel(ctx))
	}
	f.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Flight) fly(ctx context.Context) {
	for {
		f.mu.Lock()
		current := f.next
		f.next = nil
		f.running = current != nil
		f.mu.Unlock()
		if current == nil {
			return
		}
		current.err = f.guarded(ctx)
		close(current.done)
	}
}

// guarded runs the job once. It has a goroutine of its own, where nobody else
// would catch a panic: that is an error of those who wait, not of the agent.
func (f *Flight) guarded(ctx context.Context) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return f.job(ctx)
}
