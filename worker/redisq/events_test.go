package redisq_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// listener receives events and tells of every subscription.
type listener struct {
	*redisq.Events
	subscribed chan struct{}
	log        *test.Hook
}

func listen(t *testing.T, address string, interval, silence time.Duration) *listener {
	t.Helper()
	log, hook := newLog()
	l := &listener{subscribed: make(chan struct{}, 100), log: hook}
	server := redisq.Server{Address: address, User: "default", Password: agent, Name: agent}
	l.Events = redisq.NewEvents(server, interval, func() { l.subscribed <- struct{}{} }, log)
	l.SetSilence(silence)
	run(t, l.Run)
	return l
}

func (l *listener) wantSubscription(t *testing.T) {
	t.Helper()
	select {
	case <-l.subscribed:
	case <-t.Context().Done():
		t.Fatal("no subscription")
	}
}

func (l *listener) wantEvent(t *testing.T, source, name, payload string) {
	t.Helper()
	event, err := l.Next(t.Context())
	must(t, err)
	if event.Source != source || event.Name != name || string(event.Payload) != payload {
		t.Fatalf("got %+v, want %s/event/%s %s", event, source, name, payload)
	}
}

// patient is a silence that no test waits for.
const patient = time.Hour

func TestEvents(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := listen(t, server.Address, time.Second, patient)
	l.wantSubscription(t)
	for _, c := range []struct{ channel, source, name, payload string }{
		{"cluster/event/vpn-changed", "cluster", "vpn-changed", `{"a":1}`},
		{"module/m1/event/x", "module/m1", "x", "not JSON \x00\xff"},
		{"node/1/event/empty", "node/1", "empty", ""},
		{"a/event/b/event/c", "a/event/b", "c", "1"},
	} {
		server.Do(t, "publish", c.channel, c.payload)
		l.wantEvent(t, c.source, c.name, c.payload)
	}
	for _, channel := range []string{"/event/x", "cluster/event/", "progress/cluster/task/1"} {
		server.Do(t, "publish", channel, "ignored")
	}
	server.Do(t, "publish", "cluster/event/last", "1")
	l.wantEvent(t, "cluster", "last", "1")
}

// TestEventsNamed: the subscription's connection has the agent's name, too.
func TestEventsNamed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	listen(t, server.Address, time.Second, patient).wantSubscription(t)
	list, err := server.Admin().Do(t.Context(), "client", "list", "type", "pubsub").Text()
	must(t, err)
	if !slices.Contains(strings.Fields(list), "name="+agent) {
		t.Fatalf("CLIENT LIST says %s", list)
	}
}

// TestEventsAtTheEnd: what had been received is handed out even when receiving
// has ended.
func TestEventsAtTheEnd(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := listen(t, server.Address, time.Second, patient)
	l.wantSubscription(t)
	server.Do(t, "publish", "cluster/event/first", "1")
	l.wantEvent(t, "cluster", "first", "1")
	server.Do(t, "publish", "cluster/event/second", "2")
	eventually(t, "the second was received", func() bool { return l.Waiting() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if event, err := l.Next(ctx); err != nil || event.Name != "second" {
		t.Fatalf("got %+v, %v", event, err)
	}
	if event, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %+v, %v", event, err)
	}
}

// TestEventsAfterRestart: subscribed is called again, since something may have
// been missed, and events come again.
func TestEventsAfterRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := listen(t, server.Address, 100*time.Millisecond, patient)
	l.wantSubscription(t)
	server.Stop(t)
	eventually(t, "the log says that Redis went", func() bool { return len(lines(l.log)) > 0 })
	server.Restart(t)
	l.wantSubscription(t)
	server.Do(t, "publish", "cluster/event/again", "1")
	l.wantEvent(t, "cluster", "again", "1")
	wantOutage(t, lines(l.log), "events of Redis")
}

// TestEventsCut: the same for a connection that breaks alone.
func TestEventsCut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server)
	l := listen(t, proxy.Address, time.Second, patient)
	for range 3 {
		l.wantSubscription(t)
		proxy.Cut()
	}
	l.wantSubscription(t)
	server.Do(t, "publish", "cluster/event/again", "1")
	l.wantEvent(t, "cluster", "again", "1")
}

// TestEventsSilence: a connection that stands and carries nothing, because the
// other end has lost its power, is given up and made anew.
func TestEventsSilence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server)
	l := listen(t, proxy.Address, 50*time.Millisecond, time.Second)
	l.wantSubscription(t)
	proxy.Freeze()
	l.wantSubscription(t)
	server.Do(t, "publish", "cluster/event/again", "1")
	l.wantEvent(t, "cluster", "again", "1")
	wantOutage(t, lines(l.log), "no answer")
}

// TestEventsStay: a server that answers and has nothing to say is no silent one.
func TestEventsStay(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	monitor := server.Monitor(t)
	l := listen(t, server.Address, 10*time.Millisecond, patient)
	l.wantSubscription(t)
	for range 5 {
		monitor.Until(isWord("ping"))
	}
	server.Do(t, "publish", "cluster/event/x", "1")
	l.wantEvent(t, "cluster", "x", "1")
	if got := lines(l.log); len(got) != 0 || len(l.subscribed) != 0 {
		t.Fatalf("%d more subscriptions, log %q", len(l.subscribed), got)
	}
}

func TestEventChannel(t *testing.T) {
	t.Parallel()
	if got := (worker.Event{Source: "node/1", Name: "x"}).Channel(); got != "node/1/event/x" {
		t.Fatal(got)
	}
}

// TestEventsEndWhileConnecting: a server that takes connections and says nothing does not hold
// up the end of an agent.
func TestEventsEndWhileConnecting(t *testing.T) {
	t.Parallel()
	mute, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, mute.Close()) }()
	log, _ := newLog()
	events := redisq.NewEvents(redisq.Server{Address: mute.Addr().String(), Name: agent}, time.Second, nil, log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		events.Run(ctx)
	}()
	client, err := mute.Accept()
	must(t, err)
	defer func() { must(t, client.Close()) }()
	_, err = client.Read(make([]byte, 1)) // it asks, and waits
	must(t, err)
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("it waits for the server")
		<-ended
	}
}
