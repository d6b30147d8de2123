package main

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

// finals hears, on each node's own Redis, the final statuses of tasks: what is published on
// the leader travels to all. One that is missed is no loss; one that is heard twice at the
// same place was told twice.
type finals struct {
	mu    sync.Mutex
	heard map[int]map[string]int // by node and task
}

// listen hears what one Redis publishes until ctx ends; it begins anew when that was away.
func (f *finals) listen(ctx context.Context, node int, db *redis.Client) {
	const pause = 100 * time.Millisecond
	news := db.PSubscribe(ctx, "progress/node/*/task/failover-*")
	defer hangUp(news)
	defer context.AfterFunc(ctx, func() { hangUp(news) })()
	for ctx.Err() == nil {
		message, err := news.Receive(ctx)
		if err != nil {
			wait.For(ctx, pause)
			continue
		}
		if m, ok := message.(*redis.Message); ok && isFinal(m.Payload) {
			f.add(node, m.Channel[strings.LastIndex(m.Channel, "/")+1:])
		}
	}
}

func (f *finals) add(node int, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heard == nil {
		f.heard = map[int]map[string]int{}
	}
	if f.heard[node] == nil {
		f.heard[node] = map[string]int{}
	}
	f.heard[node][id]++
}

// most is how often each task's end was heard, where it was heard most often.
func (f *finals) most() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	most := map[string]int{}
	for _, heard := range f.heard {
		for id, n := range maps.All(heard) {
			most[id] = max(most[id], n)
		}
	}
	return most
}

// isFinal tells whether a message on a task's progress is its last one.
func isFinal(payload string) bool {
	var message struct {
		Status string `json:"status"`
	}
	if json.Unmarshal([]byte(payload), &message) != nil {
		return false
	}
	switch message.Status {
	case "completed", "aborted", "validation-failed":
		return true
	}
	return false
}
