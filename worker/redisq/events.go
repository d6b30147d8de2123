package redisq

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
)

// eventPattern matches the channels <source>/event/<name>; a source may hold slashes.
const eventPattern = "*/event/*"

// eventBuffer holds what was received while handlers are being started.
const eventBuffer = 1024

// Events receives the events of a Redis. It is a [worker.EventSource].
type Events struct {
	client     *redis.Client
	interval   time.Duration
	subscribed func()
	received   chan worker.Event
	health     *health
}

var _ worker.EventSource = (*Events)(nil)

// NewEvents returns the events of server. subscribed (may be nil) is called
// after every subscription, the first and those after a lost connection: what
// was published in between is gone, and what it announced has to be read.
func NewEvents(server Server, interval time.Duration, subscribed func(), log *logrus.Entry) *Events {
	if subscribed == nil {
		subscribed = func() {}
	}
	return &Events{
		client: Connect(server, 1), interval: interval, subscribed: subscribed,
		received: make(chan worker.Event, eventBuffer),
		health:   &health{what: "events of Redis at " + server.Address, log: log},
	}
}

// Run receives events until ctx ends.
func (e *Events) Run(ctx context.Context) {
	pubsub := e.client.PSubscribe(ctx, eventPattern)
	defer context.AfterFunc(ctx, func() {
		if err := errors.Join(pubsub.Close(), e.client.Close()); err != nil {
			e.health.log.Debugf("close events: %v", err)
		}
	})()
	for ctx.Err() == nil {
		e.receive(ctx, pubsub)
	}
}

func (e *Events) receive(ctx context.Context, pubsub *redis.PubSub) {
	message, err := pubsub.ReceiveTimeout(ctx, e.interval)
	if isTimeout(err) {
		err = pubsub.Ping(ctx)
	}
	if err != nil && ctx.Err() == nil {
		e.health.failed(err)
		pause(ctx, retryPause(err, e.interval))
		return
	}
	switch message := message.(type) {
	case *redis.Subscription:
		e.health.worked()
		e.subscribed()
	case *redis.Message:
		e.pass(ctx, message)
	}
}

func (e *Events) pass(ctx context.Context, message *redis.Message) {
	event, ok := parseEvent(message.Channel, message.Payload)
	if !ok {
		return
	}
	select {
	case e.received <- event:
	case <-ctx.Done():
	}
}

// parseEvent splits a channel at its last "/event/": names hold no slash.
func parseEvent(channel, payload string) (worker.Event, bool) {
	const mark = "/event/"
	at := strings.LastIndex(channel, mark)
	if at <= 0 || at+len(mark) == len(channel) {
		return worker.Event{}, false
	}
	return worker.Event{Source: channel[:at], Name: channel[at+len(mark):], Payload: []byte(payload)}, true
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// Next implements [worker.EventSource].
func (e *Events) Next(ctx context.Context) (worker.Event, error) {
	select {
	case event := <-e.received:
		return event, nil
	default:
	}
	select {
	case event := <-e.received:
		return event, nil
	case <-ctx.Done():
		return worker.Event{}, ctx.Err()
	}
}
