package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

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

// RemoveNode takes a node out of the cluster: its keys and its ACL user.
//
// The node itself is to learn of it, and only its replica can tell it: Redis cuts
// the replication together with all connections of a user that is deleted. So the
// keys go first, and the node's replica is waited for, if it is there. What the
// node has written meanwhile goes after its user. As long as one of them is left,
// the removal can be asked for again.
func (s *Store) RemoveNode(ctx context.Context, node int) error {
	address, err := s.addressOf(ctx, node)
	if err != nil {
		return err
	}
	if err := s.deleteKeys(ctx, node); err != nil {
		return err
	}
	if err := s.WaitReplica(ctx, address); err != nil {
		return err
	}
	if err := s.do(ctx, "ACL", "DELUSER", UserName(node)); err != nil {
		return fmt.Errorf("delete the ACL user of node %d: %w", node, err)
	}
	return s.deleteKeys(ctx, node)
}

// addressOf is the VPN address in a node's record, as it stands there; empty if there is none.
func (s *Store) addressOf(ctx context.Context, node int) (string, error) {
	address, err := s.redis.HGet(ctx, VPNKey(node), "ip_address").Result()
	if err != nil && !isReply(err) {
		return "", fmt.Errorf("read %s: %w", VPNKey(node), err)
	}
	return address, nil
}

// replicaTime bounds the wait for the replica of a node that is removed. One that
// is there answers in a round trip, unless its machine is busy.
const replicaTime = 5 * time.Second

// WaitReplica waits until the replica at an address has all that was written, by
// the connection that has written it: those of a Machine are single. That the
// replica is slow, or not there, is no failure.
func (s *Store) WaitReplica(ctx context.Context, address string) error {
	role, err := s.Role(ctx)
	if err != nil {
		return err
	}
	connected := slices.ContainsFunc(role.Replicas, func(r Replica) bool { return r.Host == address })
	if !connected {
		return nil
	}
	if err := s.redis.Wait(ctx, len(role.Replicas), replicaTime).Err(); err != nil {
		return fmt.Errorf("wait for the replica at %s: %w", address, err)
	}
	return nil
}

func (s *Store) deleteKeys(ctx context.Context, node int) error {
	keys, err := s.nodeKeys(ctx, node)
	if err != nil || len(keys) == 0 {
		return err
	}
	// The record that gives the node its place goes last: with it, everything is gone.
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
