package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

const progressPrefix = "progress/" + agentID + "/task/"

// watcher hears all final statuses. Whoever restarts Redis waits for its next
// subscription before the agent gets there, so that it misses none.
type watcher struct {
	news   *redis.PubSub
	ledger *ledger

	mu         sync.Mutex
	finals     map[string][]string
	life       int           // number of the subscription, from 1 on
	subscribed chan struct{} // closed and made anew at each
}

func newWatcher(ctx context.Context, s *server, l *ledger) *watcher {
	return &watcher{
		news: s.news.PSubscribe(ctx, progressPrefix+"*"), ledger: l,
		finals: map[string][]string{}, subscribed: make(chan struct{}),
	}
}

// run listens until ctx ends.
func (w *watcher) run(ctx context.Context) {
	listen(ctx, w.news, func(news any) bool {
		switch news := news.(type) {
		case *redis.Subscription:
			w.renewed()
		case *redis.Message:
			w.add(news.Channel[len(progressPrefix):], news.Payload)
		}
		return false
	})
}

// listen shows all that comes to a subscription, which it renews when it breaks,
// until enough says so or ctx ends. It ends the subscription.
func listen(ctx context.Context, news *redis.PubSub, enough func(any) bool) {
	// go-redis does not interrupt a read when its context ends.
	interrupt := context.AfterFunc(ctx, func() { hangUp(news) })
	defer func() { interrupt(); hangUp(news) }()
	const pause = 10 * time.Millisecond
	for ctx.Err() == nil {
		what, err := news.Receive(ctx)
		switch {
		case err != nil:
			wait.For(ctx, pause)
		case enough(what):
			return
		}
	}
}

func (w *watcher) renewed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life++
	close(w.subscribed)
	w.subscribed = make(chan struct{})
}

// lives is how many subscriptions there have been.
func (w *watcher) lives() (n int, next <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.life, w.subscribed
}

// await waits for a subscription after those that are known.
func (w *watcher) await(ctx context.Context, known int) error {
	for {
		n, next := w.lives()
		if n > known {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (w *watcher) add(id, payload string) {
	status := finalStatus(payload)
	if status == "" {
		return
	}
	w.ledger.touch()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finals[id] = append(w.finals[id], status)
}

// all returns what was heard so far.
func (w *watcher) all() map[string][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	finals := maps.Clone(w.finals)
	for id, list := range finals {
		finals[id] = slices.Clone(list)
	}
	return finals
}

// finalStatus reads it from a message on a task's progress; empty if there is none.
func finalStatus(payload string) string {
	var progress struct{ Status string }
	if json.Unmarshal([]byte(payload), &progress) != nil {
		return ""
	}
	switch progress.Status {
	case "completed", "aborted", "validation-failed":
		return progress.Status
	}
	return ""
}
