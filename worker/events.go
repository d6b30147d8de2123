package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// takeEvents runs the handlers of events until receiving ends; then it waits
// for the handlers of those that were received before.
func (w *Worker) takeEvents(ctx, receiving context.Context) {
	var handlers sync.WaitGroup
	defer handlers.Wait()
	slots := make(chan struct{}, w.cfg.MaxConcurrency)
	for ctx.Err() == nil {
		event, err := w.cfg.Source.Next(receiving)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				w.cfg.Log.Errorf("Next event: %v", err)
			}
			return
		}
		if event.Received.IsZero() {
			event.Received = time.Now()
		}
		handler, err := w.cfg.Events.Lookup(event.Name)
		if err != nil {
			w.cfg.Log.Errorf("Event %s: %v", printable(event.Channel()), err)
			continue
		}
		if len(handler.Steps) == 0 {
			continue
		}
		select {
		case slots <- struct{}{}: // here, so that handlers start in the order of events
			handlers.Go(func() {
				defer func() { <-slots }()
				w.handleEvent(ctx, event, handler)
			})
		default:
			handlers.Go(func() { w.handleLate(ctx, slots, event, handler) })
		}
	}
}

// handleLate waits a moment for a slot: an event that is rejected is lost.
func (w *Worker) handleLate(ctx context.Context, slots chan struct{}, event Event, handler Action) {
	timer := time.NewTimer(w.cfg.OverloadWait)
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		w.handleEvent(ctx, event, handler)
	case <-timer.C:
		w.cfg.Log.Errorf("Agent is busy. Event %s rejected!", printable(event.Channel()))
	case <-ctx.Done():
	}
}

// handleEvent runs a handler. Its outcome is only logged, and not even that
// when the agent is being stopped.
func (w *Worker) handleEvent(ctx context.Context, event Event, handler Action) {
	stdout, stderr := &lines{to: w.stderr}, &lines{to: w.stderr}
	channel := printable(event.Channel())
	r := &run{
		subject: "event/" + channel, action: handler, log: w.cfg.Log,
		tracker: newTracker(handler.Steps, nil), copies: []*lines{stdout, stderr}, hushed: func() bool { return ctx.Err() != nil },
	}
	r.call = Call{
		event: &event, input: event.Payload, stdout: stdout, stderr: stderr,
		control: r.tracker, log: w.cfg.Log,
	}
	end := r.steps(ctx)
	if ctx.Err() != nil {
		return
	}
	text := fmt.Sprintf("Handler of %s exited with status %q (%d) at step %s", channel, end.status, end.code, end.step)
	if end.ok() {
		w.cfg.Log.Info(text)
		return
	}
	w.cfg.Log.Error(text)
}
