package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

// clients push a task each and wait for its final status, as real ones do.
type clients struct {
	server *server
	ledger *ledger
	push   func(ctx context.Context, orders ...order) error
	slots  chan struct{} // how many may wait at once
	group  sync.WaitGroup
}

func newClients(s *server, l *ledger, push func(context.Context, ...order) error) *clients {
	const most = 32
	return &clients{server: s, ledger: l, push: push, slots: make(chan struct{}, most)}
}

// begin lets a client push a task of a kind, if not too many wait already.
func (c *clients) begin(ctx context.Context, k kind) {
	select {
	case c.slots <- struct{}{}:
	default:
		return
	}
	c.group.Go(func() {
		defer func() { <-c.slots }()
		c.live(ctx, k)
	})
}

// live subscribes, pushes, and waits. A client whose push fails gives up: its
// task is not judged as acknowledged.
func (c *clients) live(ctx context.Context, k kind) {
	id := c.ledger.add(k.name)
	news := c.server.news.Subscribe(ctx, progressPrefix+id)
	pushed, gaveUp := false, false
	listen(ctx, news, func(what any) bool {
		switch what := what.(type) {
		case *redis.Subscription:
			if !pushed {
				pushed = true
				gaveUp = c.push(ctx, order{id, k, k.data}) != nil
				if !gaveUp {
					c.ledger.await(id)
				}
				return gaveUp
			}
			// What was published while the subscription was broken is lost.
			return c.look(ctx, id)
		case *redis.Message:
			return finalStatus(what.Payload) != "" && c.look(ctx, id)
		}
		return false
	})
}

// look reads whether the result is there, as it has to be when its status is.
func (c *clients) look(ctx context.Context, id string) bool {
	const pause = 30 * time.Millisecond
	for {
		_, err := c.server.client().Get(ctx, resultKey(id, "exit_code")).Result()
		switch {
		case err == nil:
			c.ledger.answered(id)
			return true
		case errors.Is(err, redis.Nil):
			return false
		case !wait.For(ctx, pause):
			return false
		}
	}
}

// resultKey is where a part of a task's result is.
func resultKey(id, part string) string { return "task/" + agentID + "/" + id + "/" + part }
