package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Known tells whether the cluster has anything of a node: a key or an ACL user.
// A node whose removal was cut off in the middle is known.
func (s *Store) Known(ctx context.Context, node int) (bool, error) {
	keys, err := s.nodeKeys(ctx, node)
	if err != nil || len(keys) > 0 {
		return len(keys) > 0, err
	}
	users, err := s.users(ctx)
	_, found := users[UserName(node)]
	return found, err
}

// RemoveNode takes a node out of the cluster: its ACL user, whose connections
// Redis closes, and then all its keys, which nobody can write any more.
func (s *Store) RemoveNode(ctx context.Context, node int) error {
	if err := s.do(ctx, "ACL", "DELUSER", UserName(node)); err != nil {
		return fmt.Errorf("delete the ACL user of node %d: %w", node, err)
	}
	keys, err := s.nodeKeys(ctx, node)
	if err != nil {
		return err
	}
	// The record that gives the node its place goes last: while it is there, the
	// removal can be asked for again.
	record := VPNKey(node)
	others := slices.DeleteFunc(keys, func(key string) bool { return key == record })
	_, err = s.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for batch := range slices.Chunk(others, scanCount) {
			pipe.Unlink(ctx, batch...)
		}
		pipe.Unlink(ctx, record)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete the records of node %d: %w", node, err)
	}
	return nil
}

// nodeKeys lists the keys node/N/*.
func (s *Store) nodeKeys(ctx context.Context, node int) ([]string, error) {
	var keys []string
	found := s.redis.Scan(ctx, 0, UserName(node)+"/*", scanCount).Iterator()
	for found.Next(ctx) {
		keys = append(keys, found.Val())
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("list the records of node %d: %w", node, err)
	}
	return keys, nil
}
