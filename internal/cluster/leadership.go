package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// leadershipKey is a hash of this software's own: field epoch, a counter that each
// change of the leader raises; field node_id, the node that leads in that epoch; fields
// replid and offset, its [Origin]. The leader alone writes it. Clusters that another
// implementation made do not have it before one of ours leads.
const leadershipKey = "cluster/leadership"

// Leadership says who leads, and how often that has changed: of two that differ the
// one with the higher epoch is the later.
type Leadership struct {
	Epoch int64 `json:"epoch"`   // 0: nothing is known of epochs
	Node  int   `json:"node_id"` // who leads in it
}

// OlderThan tells whether an order of this leadership is out of date for who knows
// of another: it has been overtaken, or had to do with another node in that epoch.
// One of epoch 0, from an implementation without epochs, never is.
func (l Leadership) OlderThan(known Leadership) bool {
	if l.Epoch == 0 {
		return false
	}
	return l.Epoch < known.Epoch || l.Epoch == known.Epoch && l.Node != known.Node
}

// LaterThan tells whether of two leaders the other has to give way: its epoch is over.
// Should both have begun the same epoch, each on its side of a broken network, the
// node with the lower id stays.
func (l Leadership) LaterThan(other Leadership) bool {
	return l.Epoch > other.Epoch || l.Epoch == other.Epoch && l.Node < other.Node
}

// Leadership reads the record; the zero Leadership if there is none, or none that
// can be read.
func (s *Store) Leadership(ctx context.Context) (Leadership, error) {
	fields, err := s.redis.HMGet(ctx, leadershipKey, "epoch", leaderIDField).Result()
	if isReply(err) {
		return Leadership{}, nil // of another type: the next leader writes it anew
	}
	if err != nil {
		return Leadership{}, fmt.Errorf("read %s: %w", leadershipKey, err)
	}
	var l Leadership
	epoch, epochErr := strconv.ParseInt(text(fields[0]), 10, 64)
	node, nodeErr := strconv.Atoi(text(fields[1]))
	if epochErr == nil && nodeErr == nil && epoch > 0 && node > 0 {
		l = Leadership{Epoch: epoch, Node: node}
	}
	return l, nil
}

// leaderIDField is the field of leadershipKey that holds who leads.
const leaderIDField = "node_id"

// SetLeadership writes the record, and where the epoch began. Only a master can.
func (s *Store) SetLeadership(ctx context.Context, l Leadership) error {
	origin, err := s.ownOrigin(ctx)
	if err != nil {
		return err
	}
	if _, err := s.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		writeLeadership(ctx, pipe, l, origin)
		return nil
	}); err != nil {
		return fmt.Errorf("write %s: %w", leadershipKey, err)
	}
	return nil
}

// writeLeadership replaces the record, whatever it was.
func writeLeadership(ctx context.Context, pipe redis.Pipeliner, l Leadership, origin Origin) {
	pipe.Del(ctx, leadershipKey)
	pipe.HSet(ctx, leadershipKey, "epoch", l.Epoch, leaderIDField, l.Node)
	if origin.Stream != "" {
		pipe.HSet(ctx, leadershipKey, "replid", origin.Stream, "offset", origin.Offset)
	}
}

// UUID returns the cluster's UUID; empty if it has none.
func (s *Store) UUID(ctx context.Context) (string, error) {
	id, err := s.redis.Get(ctx, uuidKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read %s: %w", uuidKey, err)
	}
	return id, nil
}
