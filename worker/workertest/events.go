package workertest

import (
	"context"

	"cluster-agent/worker"
)

// Events is a source of events in memory.
type Events struct{ sent chan worker.Event }

var _ worker.EventSource = (*Events)(nil)

// NewEvents returns a source that has nothing to tell yet.
func NewEvents() *Events { return &Events{sent: make(chan worker.Event, 1024)} }

// Send lets an event be received.
func (e *Events) Send(source, name, payload string) {
	e.sent <- worker.Event{Source: source, Name: name, Payload: []byte(payload)}
}

// Next implements [worker.EventSource].
func (e *Events) Next(ctx context.Context) (worker.Event, error) {
	select {
	case event := <-e.sent:
		return event, nil
	default:
	}
	select {
	case event := <-e.sent:
		return event, nil
	case <-ctx.Done():
		return worker.Event{}, ctx.Err()
	}
}
