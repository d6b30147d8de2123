// Package cluster reads and writes the cluster's records in Redis: its network,
// leader and nodes, the ACL users of its nodes, and the roles of its Redis
// servers.
//
// The keys and their shapes are those of the cluster: cluster/network,
// cluster/environment, cluster/node_sequence, cluster/uuid, cluster/acls,
// node/N/vpn, node/N/flags; and one of this software's own, cluster/leadership.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/redis/go-redis/v9"

	"cluster-agent/vpn"
)

const (
	networkKey     = "cluster/network"
	environmentKey = "cluster/environment"
	leaderField    = "NODE_ID"
	sequenceKey    = "cluster/node_sequence"
	uuidKey        = "cluster/uuid"
	aclsKey        = "cluster/acls"
)

// RedisPort is where the Redis of every node listens.
const RedisPort = 6379

// ErrNoNetwork says that no cluster has been created yet.
var ErrNoNetwork = errors.New("the cluster has no network yet: run create-cluster first")

// Store is the cluster's records in one Redis: the master's for writing, any
// for reading.
type Store struct{ redis *redis.Client }

// NewStore returns the records in the Redis of a client.
func NewStore(client *redis.Client) *Store { return &Store{redis: client} }

// VPNKey is the hash of a node's place in the VPN.
func VPNKey(node int) string { return "node/" + strconv.Itoa(node) + "/vpn" }

// FlagsKey is the set of a node's flags.
func FlagsKey(node int) string { return fmt.Sprintf("node/%d/flags", node) }

// Network returns the VPN's network; [ErrNoNetwork] if there is none.
func (s *Store) Network(ctx context.Context) (netip.Prefix, error) {
	return network(s.redis.Get(ctx, networkKey))
}

func network(reply *redis.StringCmd) (netip.Prefix, error) {
	text, err := reply.Result()
	if errors.Is(err, redis.Nil) {
		return netip.Prefix{}, ErrNoNetwork
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read %s: %w", networkKey, err)
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read %s: %w", networkKey, err)
	}
	return network, nil
}

// Leader returns the node id of the leader.
func (s *Store) Leader(ctx context.Context) (int, error) {
	return leader(s.redis.HGet(ctx, environmentKey, leaderField))
}

func leader(reply *redis.StringCmd) (int, error) {
	text, err := reply.Result()
	if err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", leaderField, environmentKey, err)
	}
	id, err := strconv.Atoi(text)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("read %s of %s: %q is no node id", leaderField, environmentKey, text)
	}
	return id, nil
}

// SetLeader records who leads, and since which epoch. Only a master can. endpoint
// may be empty: that of the record stays.
func (s *Store) SetLeader(ctx context.Context, l Leadership, endpoint string) error {
	origin, err := s.ownOrigin(ctx)
	if err != nil {
		return err
	}
	pipe := s.redis.TxPipeline()
	pipe.HSet(ctx, environmentKey, leaderField, l.Node)
	writeLeadership(ctx, pipe, l, origin)
	if endpoint != "" {
		pipe.HSet(ctx, VPNKey(l.Node), "endpoint", endpoint)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("record node %d as leader: %w", l.Node, err)
	}
	return nil
}

// Snapshot reads the whole cluster as node self sees it. A bad record is a
// warning and costs only itself.
func (s *Store) Snapshot(ctx context.Context, self int) (vpn.Cluster, []vpn.Warning, error) {
	cluster := vpn.Cluster{Self: self}
	networkReply, leaderReply, lastReply, err := s.frame(ctx)
	if err != nil {
		return cluster, nil, err
	}
	if cluster.Network, err = network(networkReply); err != nil {
		return cluster, nil, err
	}
	if cluster.Leader, err = leader(leaderReply); err != nil {
		return cluster, nil, err
	}
	var warnings []vpn.Warning
	if cluster.Nodes, warnings, err = s.Nodes(ctx); err != nil {
		return cluster, warnings, err
	}
	cluster.LastID, err = lastID(lastReply)
	if _, noNumber := errors.AsType[*strconv.NumError](err); noNumber || isReply(err) { // it can be done without
		warnings, err = append(warnings, vpn.Warning{Text: err.Error()}), nil
	}
	return cluster, warnings, err
}

// frame asks for what a cluster has but its nodes, in one round trip. Each reply has an
// error of its own.
func (s *Store) frame(ctx context.Context) (network, leader, last *redis.StringCmd, err error) {
	conn := s.redis.Conn() // a pipeline of the client would open a connection for itself
	defer func() { err = errors.Join(err, conn.Close()) }()
	pipe := conn.Pipeline()
	network, leader, last = pipe.Get(ctx, networkKey), pipe.HGet(ctx, environmentKey, leaderField), pipe.Get(ctx, sequenceKey)
	if _, err = pipe.Exec(ctx); err != nil && !isReply(err) {
		return nil, nil, nil, fmt.Errorf("read %s: %w", networkKey, err)
	}
	return network, leader, last, nil
}

// isReply tells an error that Redis replied, such as WRONGTYPE, from a broken connection.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
