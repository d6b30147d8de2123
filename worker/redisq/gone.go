package redisq

import (
	"context"
	"errors"

	"cluster-agent/worker"
)

// ErrGone ends the wait for a task that was given to a leader which is none any more: its
// data were replaced by those of a later one, which does not have the task, and nothing is
// heard of it. It may have been run before, and its result be lost.
var ErrGone = errors.New("it is gone: this Redis follows another one now, which does not know of it; if it is still wanted, give it to the leader")

// enoughLooks is how many looks in a row have to find a task gone, without any news of it:
// it may still run, as join-node does, which replaces the data. These take longer than three
// heartbeats.
const enoughLooks = 8

// isGone tells whether a task without a result is nowhere in a Redis that follows another
// one. A master has every task that it took; who may not look everywhere goes on waiting.
func (t *Ticket) isGone(ctx context.Context) bool {
	info, err := t.client.redis.InfoMap(ctx, "replication").Result()
	if state := info["Replication"]; err != nil || state["role"] != "slave" || state["master_link_status"] != "up" {
		return false
	}
	known, err := t.client.redis.Exists(ctx, taskKey(t.order.Agent, t.ID, "context")).Result()
	if err != nil || known > 0 {
		return false
	}
	lists := []string{queueKey(t.order.Agent)}
	found := t.client.redis.ScanType(ctx, 0, inProgressKey(t.order.Agent, "*"), scanCount, "list").Iterator()
	for found.Next(ctx) {
		lists = append(lists, found.Val())
	}
	if found.Err() != nil {
		return false
	}
	for _, list := range lists {
		payloads, err := t.client.redis.LRange(ctx, list, 0, -1).Result()
		if err != nil || holds(payloads, t.ID) {
			return false
		}
	}
	return true
}

// holds tells whether one of some payloads is the task with an id.
func holds(payloads []string, id string) bool {
	for _, payload := range payloads {
		if task, err := worker.DecodeTask([]byte(payload)); err == nil && task.ID == id {
			return true
		}
	}
	return false
}
