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
	lastDialed *lastDialed
	interval   time.Duration
	subscribed func()
	received   chan worker.Event
	health     *health
	silence    time.Duration // how long the server may leave a PING unanswered
}

var _ worker.EventSource = (*Events)(nil)

// NewEvents returns the events of server. subscribed (may be nil) is called
// after every subscription, the first and those after a lost connection: what
// was published in between is gone, and what it announced has to be read.
func NewEvents(server Server, interval time.Duration, subscribed func(), log *logrus.Entry) *Events {
	if subscribed == nil {
		subscribed = func() {}
	}
	dialed := &lastDialed{dial: server.Dial}
	server.Dial = dialed.open
	return &Events{
		client: Connect(server, 1), lastDialed: dialed, interval: interval, subscribed: subscribed,
		received: make(chan worker.Event, eventBuffer),
		health:   newHealth("events of Redis at "+server.Address, log),
		silence:  replyTime,
	}
}

// Run receives events until ctx ends.
func (e *Events) Run(ctx context.Context) {
	for ctx.Err() == nil {
		e.listen(ctx)
	}
	if err := e.client.Close(); err != nil {
		e.health.log.Debugf("close events: %v", err)
	}
}

// errSilent is a connection that stands and carries nothing, as one does whose
// other end has lost its power.
var errSilent = errors.New("no answer")

// listen receives on one subscription, which go-redis renews with its
// connection, until ctx ends or the server has been silent for too long, or
// refuses something: it may be the subscription, which would not be asked for again.
func (e *Events) listen(ctx context.Context) {
	pubsub := e.client.PSubscribe(ctx) // to nothing as yet: it would connect before that can be ended
	closing := func() {
		// The connection first: go-redis holds a lock while it says HELLO, which its Close needs.
		err := e.lastDialed.close()
		if cerr := pubsub.Close(); !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, cerr)
		}
		if err != nil && !errors.Is(err, net.ErrClosed) {
			e.health.log.Debugf("close events: %v", err)
		}
	}
	unwatch := context.AfterFunc(ctx, closing)
	defer func() {
		if unwatch() {
			closing()
		}
	}()
	if err := pubsub.PSubscribe(ctx, eventPattern); err != nil && ctx.Err() == nil {
		e.failed(err) // the next look connects, and subscribes, once more
	}
	heard := time.Now()
	for ctx.Err() == nil {
		answered, err := e.receive(ctx, pubsub)
		if isRefusal(err) {
			return
		}
		if answered {
			heard = time.Now()
		}
		if time.Since(heard) > e.interval+e.silence {
			e.health.failed(reading, errSilent)
			return
		}
	}
}

// receive takes one message, or asks whether the server is there; false if
// nothing came.
func (e *Events) receive(ctx context.Context, pubsub *redis.PubSub) (answered bool, err error) {
	message, err := pubsub.ReceiveTimeout(ctx, e.interval)
	if isTimeout(err) {
		err = pubsub.Ping(ctx)
	}
	if err != nil && ctx.Err() == nil {
		e.failed(err)
		pause(ctx, retryPause(err, e.interval))
	}
	switch message := message.(type) {
	case *redis.Subscription:
		e.health.worked(reading)
		e.health.permission(subscribing, nil)
		e.subscribed()
	case *redis.Message:
		e.pass(ctx, message)
	}
	return message != nil, err
}

const subscribing = "subscribing to events"

func (e *Events) failed(err error) {
	e.health.failed(reading, err)
	e.health.permission(subscribing, err)
}

func (e *Events) pass(ctx context.Context, message *redis.Message) {
	event, ok := parseEvent(message.Channel, message.Payload)
	if !ok {
		return
	}
	event.Received = time.Now()
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
