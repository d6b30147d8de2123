package node

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Flight lets many callers share runs of one job: while one runs, any number
// of further calls means one more run, not many.
type Flight struct {
	job func(context.Context) error

	mu      sync.Mutex
	running bool
	last    *run // the run that has begun last; nil: there was none
	next    *run // the run that callers who come now will share; nil: none waits
}

type run struct {
	began time.Time
	done  chan struct{}
	err   error
}

// NewFlight returns a flight of job.
func NewFlight(job func(context.Context) error) *Flight { return &Flight{job: job} }

// Do returns the outcome of a run that began after the call. The run belongs to
// all who wait for it: ctx ends only this caller's wait.
func (f *Flight) Do(ctx context.Context) error { return f.DoSince(ctx, time.Now()) }

// DoSince returns the outcome of a run that began after a moment: when what it is to
// see was there already. Such a run may be under way, or over, where many wait for
// the same.
func (f *Flight) DoSince(ctx context.Context, moment time.Time) error {
	mine := f.join(ctx, moment)
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the run that a caller shares, and sees to it that there is one.
func (f *Flight) join(ctx context.Context, moment time.Time) *run {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil && f.last.began.After(moment) {
		return f.last
	}
	if f.next == nil {
		f.next = &run{done: make(chan struct{})}
	}
	if !f.running {
		f.running = true
		go f.fly(context.WithoutCancel(ctx))
	}
	return f.next
}

func (f *Flight) fly(ctx context.Context) {
	for {
		f.mu.Lock()
		current := f.next
		f.next = nil
		f.running = current != nil
		if current != nil {
			current.began = time.Now()
			f.last = current
		}
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
