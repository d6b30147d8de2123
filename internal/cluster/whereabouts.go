package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Whereabouts is how much of the cluster's data a replica has whose leader is lost. It
// says so itself, on a channel of its own Redis, which every user may listen to.
type Whereabouts struct {
	Node   int    `json:"node_id"`
	Epoch  int64  `json:"epoch"`         // of the records that it has
	Former string `json:"former_replid"` // the stream before that of Place, of which it has all

	Place
}

// whereaboutsChannel is where a node tells its [Whereabouts].
func whereaboutsChannel(node int) string { return UserName(node) + "/whereabouts" }

// Whereabouts asks this Redis how far it has come.
func (s *Store) Whereabouts(ctx context.Context, node int) (Whereabouts, error) {
	place, placeErr := s.Place(ctx)
	origin, originErr := s.ownOrigin(ctx)
	leadership, leadershipErr := s.Leadership(ctx)
	return Whereabouts{Node: node, Epoch: leadership.Epoch, Former: origin.Stream, Place: place},
		errors.Join(placeErr, originErr, leadershipErr)
}

// TellWhereabouts tells whoever listens to this Redis.
func (s *Store) TellWhereabouts(ctx context.Context, w Whereabouts) error {
	text, err := json.Marshal(w)
	if err == nil {
		err = s.redis.Publish(ctx, whereaboutsChannel(w.Node), text).Err()
	}
	if err != nil {
		return fmt.Errorf("tell how far this node has come: %w", err)
	}
	return nil
}

// HearWhereabouts waits until a node, of which this is the Redis, tells how far it has come.
func (s *Store) HearWhereabouts(ctx context.Context, node int) (w Whereabouts, err error) {
	listener := s.redis.Subscribe(ctx, whereaboutsChannel(node))
	defer func() { err = errors.Join(err, listener.Close()) }()
	message, err := listener.ReceiveMessage(ctx)
	if err == nil {
		err = json.Unmarshal([]byte(message.Payload), &w)
	}
	if err != nil {
		return w, fmt.Errorf("wait for node %d to tell how far it has come: %w", node, err)
	}
	return w, nil
}

// Comparison is how the data of one replica stand to those of another.
type Comparison int

// The comparisons.
const (
	NotNewer  Comparison = iota // the other has all of it
	Newer                       // the other lacks some of it
	Unrelated                   // it comes from another stream: nobody knows
)

// Compare tells whether w is newer than the other. It is pure.
func (w Whereabouts) Compare(other Whereabouts) Comparison {
	switch {
	case w.Epoch > other.Epoch:
		return Newer
	case w.Epoch < other.Epoch:
		return NotNewer
	case w.Stream == other.Stream && w.Offset > other.Offset:
		return Newer
	case w.Stream == other.Stream, w.Stream != "" && w.Stream == other.Former:
		return NotNewer
	case other.Stream != "" && other.Stream == w.Former:
		return Newer
	}
	return Unrelated
}
