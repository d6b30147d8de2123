package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"cluster-agent/vpn"
)

// NodesLock is the name of the lock under which nodes come and go, and change.
const NodesLock = "nodes"

// nodeFields are those of the VPN record of a node. Others that it has are left as they are.
func nodeFields(node vpn.Node) []any {
	destinations := make([]string, len(node.Destinations))
	for i, address := range node.Destinations {
		destinations[i] = address.String()
	}
	return []any{
		"public_key", node.PublicKey.String(),
		"ip_address", node.Address.String(),
		"destinations", strings.Join(destinations, " "),
		"endpoint", node.Endpoint,
	}
}

// NewNode says what a new node starts with.
type NewNode struct {
	Node         vpn.Node
	Flags        []string
	PasswordHash string // SHA-256 of its agent's password, hex
}

// AddNode writes a node's records and its ACL user in one go.
func (s *Store) AddNode(ctx context.Context, n NewNode) error {
	_, err := s.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSet(ctx, VPNKey(n.Node.ID), nodeFields(n.Node)...)
		pipe.Del(ctx, FlagsKey(n.Node.ID))
		for _, flag := range n.Flags {
			pipe.SAdd(ctx, FlagsKey(n.Node.ID), flag)
		}
		pipe.Do(ctx, setUser(n.Node.ID, n.PasswordHash)...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write records of node %d: %w", n.Node.ID, err)
	}
	return nil
}

// AgentWasHere tells whether a node's agent has ever run a task: its environment is
// written to Redis then.
func (s *Store) AgentWasHere(ctx context.Context, node int) (bool, error) {
	n, err := s.redis.Exists(ctx, UserName(node)+"/environment").Result()
	if err != nil {
		return false, fmt.Errorf("look for the environment of node %d: %w", node, err)
	}
	return n == 1, nil
}

// NextID gives out a node id, which is never given out again.
func (s *Store) NextID(ctx context.Context) (int, error) {
	id, err := s.redis.Incr(ctx, sequenceKey).Result()
	if err != nil {
		return 0, fmt.Errorf("take the next node id: %w", err)
	}
	return int(id), nil
}

// LastID returns the node id that was given out last.
func (s *Store) LastID(ctx context.Context) (int, error) {
	return lastID(s.redis.Get(ctx, sequenceKey))
}

func lastID(reply *redis.StringCmd) (int, error) {
	id, err := reply.Int()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", sequenceKey, err)
	}
	return id, nil
}

// Create writes what a new cluster consists of: its network, its first node and
// a UUID, unless it has one.
func (s *Store) Create(ctx context.Context, network string, first vpn.Node, uuid string) error {
	_, err := s.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, networkKey, network, 0)
		pipe.HSet(ctx, VPNKey(first.ID), nodeFields(first)...)
		pipe.HSet(ctx, environmentKey, leaderField, first.ID)
		pipe.SetNX(ctx, uuidKey, uuid, 0)
		writeLeadership(ctx, pipe, Leadership{Epoch: 1, Node: first.ID}, Origin{})
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the cluster's records: %w", err)
	}
	return nil
}

// Persist makes Redis write its data to disk and waits for it: what was given
// out before, such as a node id, is not given out again after a crash. Redis
// goes on serving meanwhile.
func (s *Store) Persist(ctx context.Context) error {
	err := s.redis.BgSave(ctx).Err()
	// A save that is under way may have begun too early: another has to follow.
	for isSaving(err) && pause(ctx) {
		err = s.redis.BgSave(ctx).Err()
	}
	if err != nil {
		return fmt.Errorf("save Redis to disk: %w", err)
	}
	for {
		if saved, err := s.Saved(ctx); saved || err != nil {
			return err
		}
		if !pause(ctx) {
			return fmt.Errorf("wait for Redis to be saved: %w", ctx.Err())
		}
	}
}

// BeginSave has Redis begin to write its data to disk, and does not wait. It has not begun
// while another save is under way, which may have begun too early, or which goes to a
// replica and not to the disk: then it is to be asked again.
func (s *Store) BeginSave(ctx context.Context) (begun bool, err error) {
	err = s.redis.BgSave(ctx).Err()
	if isSaving(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("have Redis save its data to disk: %w", err)
	}
	return true, nil
}

// Saved tells whether a save that was begun has ended; the error is that it has failed.
func (s *Store) Saved(ctx context.Context) (bool, error) {
	info, err := s.redis.InfoMap(ctx, "persistence").Result()
	if err != nil {
		return false, fmt.Errorf("ask whether Redis has saved its data: %w", err)
	}
	state := info["Persistence"]
	if state["rdb_bgsave_in_progress"] != "0" {
		return false, nil
	}
	return true, savedWell(state["rdb_last_bgsave_status"])
}

// isSaving tells that Redis refuses to save because it does so, or writes its append-only
// file anew.
func isSaving(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "in progress") || strings.Contains(err.Error(), "child process is active"))
}

func savedWell(status string) error {
	if status != "ok" {
		return fmt.Errorf("save Redis to disk: status %q, see its log", status)
	}
	return nil
}
