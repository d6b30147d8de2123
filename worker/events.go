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
		handler, err := w.cfg.Events.Lookup(event.Name)
		if err != nil {
			w.cfg.Log.Errorf("Event %s: %v", event.Channel(), err)
			continue
		}
		if len(handler.Steps) == 0 {
			continue
		}
		if !w.slot(ctx, slots, event) {
			continue
		}
		handlers.Go(func() {
			defer func() { <-slots }()
			w.handleEvent(ctx, event, handler)
		})
	}
}

// slot takes a slot for an event's handler. If none is free it waits a moment
// for one: an event that is rejected is lost.
func (w *Worker) slot(ctx context.Context, slots chan<- struct{}, event Event) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(w.cfg.OverloadWait)
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		return true
	case <-timer.C:
		w.cfg.Log.Errorf("Agent is busy. Event %s rejected!", event.Channel())
	case <-ctx.Done():
	}
	return false
}

// handleEvent runs a handler. Its outcome is only logged, and not even that
// when the agent is being stopped.
func (w *Worker) handleEvent(ctx context.Context, event Event, handler Action) {
	r := &run{
		subject: "event/" + event.Channel(), action: handler, log: w.cfg.Log,
		tracker: newTracker(handler.Steps, nil),
	}
	r.call = Call{
		event: &event, input: event.Payload, stdout: w.stderr, stderr: w.stderr,
		control: r.tracker, log: w.cfg.Log.WithField("event", event.Channel()),
	}
	r.tell = func(line string) error {
		if ctx.Err() == nil {
			w.cfg.Log.Errorf("%s: %s", r.subject, line)
		}
		return nil
	}
	end := r.steps(ctx)
	if ctx.Err() != nil {
		return
	}
	text := fmt.Sprintf("Handler of %s exited with status %q (%d) at step %s", event.Channel(), end.status, end.code, end.step)
	if end.ok() {
		w.cfg.Log.Info(text)
		return
	}
	w.cfg.Log.Error(text)
}
