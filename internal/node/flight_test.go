package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a job that waits to be let through, each run for itself.
type gate struct {
	t       *testing.T
	begun   chan int   // the number of a run that has begun
	outcome chan error // what it is to return
	runs    atomic.Int64
	busy    atomic.Int64
}

func newGate(t *testing.T) *gate {
	t.Helper()
	return &gate{t: t, begun: make(chan int), outcome: make(chan error)}
}

func (g *gate) job(context.Context) error {
	if g.busy.Add(1) > 1 {
		g.t.Error("two runs at once")
	}
	defer g.busy.Add(-1)
	g.begun <- int(g.runs.Add(1))
	return <-g.outcome
}

// call calls in a goroutine of its own and returns where the outcome will be.
func call(ctx context.Context, f *Flight) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- f.Do(ctx) }()
	return outcome
}

// TestFlightSharesRuns is hazard 16: a burst of calls costs one more run.
func TestFlightSharesRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		f := NewFlight(g.job)
		first := call(t.Context(), f)
		<-g.begun
		burst := make([]<-chan error, 300)
		for i := range burst {
			burst[i] = call(t.Context(), f)
		}
		synctest.Wait() // all of them wait now
		why := errors.New("why")
		g.outcome <- nil
		if err := <-first; err != nil {
			t.Errorf("the first: %v", err)
		}
		if run := <-g.begun; run != 2 {
			t.Errorf("run %d", run)
		}
		g.outcome <- why
		for _, outcome := range burst {
			if err := <-outcome; !errors.Is(err, why) {
				t.Fatalf("one of the burst: %v", err)
			}
		}
		synctest.Wait()
		if runs := g.runs.Load(); runs != 2 {
			t.Errorf("%d runs", runs)
		}
	})
}

// TestFlightSince: who asks for something that was there when a run began needs no run
// of his own, whether that is under way or over.
func TestFlightSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		f := NewFlight(g.job)
		before := time.Now()
		time.Sleep(time.Second)
		first := call(t.Context(), f)
		<-g.begun
		since := func(moment time.Time) <-chan error {
			outcome := make(chan error, 1)
			go func() { outcome <- f.DoSince(t.Context(), moment) }()
			synctest.Wait()
			return outcome
		}
		why := errors.New("why")
		same := since(before)
		time.Sleep(time.Second)
		later := since(time.Now())
		g.outcome <- why
		for _, outcome := range []<-chan error{first, same} {
			if err := <-outcome; !errors.Is(err, why) {
				t.Errorf("the first run: %v", err)
			}
		}
		if run := <-g.begun; run != 2 {
			t.Errorf("run %d", run)
		}
		g.outcome <- nil
		for _, outcome := range []<-chan error{later, since(before)} {
			if err := <-outcome; err != nil {
				t.Errorf("the second run: %v", err)
			}
		}
	})
}

// TestFlightCancelledCaller: a caller that gives up neither ends the run nor
// takes its outcome from the others.
func TestFlightCancelledCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		f := NewFlight(func(ctx context.Context) error {
			if err := g.job(ctx); err != nil {
				return err
			}
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		impatient := call(ctx, f)
		<-g.begun
		patient := call(t.Context(), f)
		cancel()
		if err := <-impatient; !errors.Is(err, context.Canceled) {
			t.Errorf("the impatient: %v", err)
		}
		g.outcome <- nil
		<-g.begun
		g.outcome <- nil
		if err := <-patient; err != nil {
			t.Errorf("the patient: %v", err)
		}
	})
}

// TestFlightContext: the run has the values of its caller's context, and goes
// on when that ends.
func TestFlightContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	cancelled, seen := make(chan struct{}), make(chan error, 1)
	f := NewFlight(func(ctx context.Context) error {
		<-cancelled
		if ctx.Value(key{}) != "value" {
			seen <- errors.New("the value is gone")
			return nil
		}
		seen <- ctx.Err()
		return nil
	})
	cancel()
	if err := f.Do(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller: %v", err)
	}
	close(cancelled)
	if err := <-seen; err != nil {
		t.Errorf("the run: %v", err)
	}
}

func TestFlightOneAfterAnother(t *testing.T) {
	t.Parallel()
	runs := 0
	f := NewFlight(func(context.Context) error {
		runs++
		return fmt.Errorf("run %d", runs)
	})
	for i := 1; i <= 3; i++ {
		if err := f.Do(t.Context()); err == nil || err.Error() != fmt.Sprintf("run %d", i) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// TestFlightPanic: a panic in the job is an error of its callers, and the next
// run is as good as any.
func TestFlightPanic(t *testing.T) {
	t.Parallel()
	broken := true
	f := NewFlight(func(context.Context) error {
		if broken {
			panic("no such route")
		}
		return nil
	})
	if err := f.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "no such route") {
		t.Errorf("panic: %v", err)
	}
	broken = false
	if err := f.Do(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
