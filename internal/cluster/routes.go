package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNoNode says that the cluster has no node of that number.
var ErrNoNode = errors.New("the cluster has no such node")

// Destinations returns the field destinations of a node, word by word, as it
// stands in Redis; [ErrNoNode] if there is no such node.
func (s *Store) Destinations(ctx context.Context, node int) ([]string, error) {
	record, err := s.redis.HGetAll(ctx, VPNKey(node)).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", VPNKey(node), err)
	}
	if len(record) == 0 {
		return nil, fmt.Errorf("node %d: %w", node, ErrNoNode)
	}
	return strings.Fields(record["destinations"]), nil
}

// SetDestinations writes the field destinations of nodes, all at once.
func (s *Store) SetDestinations(ctx context.Context, destinations map[int][]string) error {
	pipe := s.redis.TxPipeline()
	for node, words := range destinations {
		pipe.HSet(ctx, VPNKey(node), "destinations", strings.Join(words, " "))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("write destinations: %w", err)
	}
	return nil
}

// SetEndpoint writes where a node is reached; [ErrNoNode] if there is none.
func (s *Store) SetEndpoint(ctx context.Context, node int, endpoint string) error {
	found, err := s.redis.Exists(ctx, VPNKey(node)).Result()
	if err != nil {
		return fmt.Errorf("look for node %d: %w", node, err)
	}
	if found == 0 {
		return fmt.Errorf("node %d: %w", node, ErrNoNode)
	}
	if err := s.redis.HSet(ctx, VPNKey(node), "endpoint", endpoint).Err(); err != nil {
		return fmt.Errorf("write the endpoint of node %d: %w", node, err)
	}
	return nil
}
