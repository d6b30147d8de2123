// Package cluster reads and writes the cluster's records in Redis: its network,
// leader and nodes, the ACL users of its nodes, and the roles of its Redis
// servers.
//
// The keys and their shapes are those of the cluster: cluster/network,
// cluster/environment, cluster/node_sequence, cluster/uuid, cluster/acls,
// node/N/vpn, node/N/flags.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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
func VPNKey(node int) string { return fmt.Sprintf("node/%d/vpn", node) }

// FlagsKey is the set of a node's flags.
func FlagsKey(node int) string { return fmt.Sprintf("node/%d/flags", node) }

// Network returns the VPN's network; [ErrNoNetwork] if there is none.
func (s *Store) Network(ctx context.Context) (netip.Prefix, error) {
	text, err := s.redis.Get(ctx, networkKey).Result()
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
	text, err := s.redis.HGet(ctx, environmentKey, leaderField).Result()
	if err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", leaderField, environmentKey, err)
	}
	leader, err := strconv.Atoi(text)
	if err != nil || leader < 1 {
		return 0, fmt.Errorf("read %s of %s: %q is no node id", leaderField, environmentKey, text)
	}
	return leader, nil
}

// SetLeader records who leads. Only a master can.
func (s *Store) SetLeader(ctx context.Context, node int, endpoint string) error {
	pipe := s.redis.TxPipeline()
	pipe.HSet(ctx, environmentKey, leaderField, node)
	if endpoint != "" {
		pipe.HSet(ctx, VPNKey(node), "endpoint", endpoint)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("record node %d as leader: %w", node, err)
	}
	return nil
}

// Snapshot reads the whole cluster as node self sees it. A bad record is a
// warning and costs only itself.
func (s *Store) Snapshot(ctx context.Context, self int) (vpn.Cluster, []vpn.Warning, error) {
	cluster := vpn.Cluster{Self: self}
	var err error
	if cluster.Network, err = s.Network(ctx); err != nil {
		return cluster, nil, err
	}
	if cluster.Leader, err = s.Leader(ctx); err != nil {
		return cluster, nil, err
	}
	var warnings []vpn.Warning
	if cluster.Nodes, warnings, err = s.Nodes(ctx); err != nil {
		return cluster, warnings, err
	}
	cluster.LastID, err = s.LastID(ctx)
	if _, noNumber := errors.AsType[*strconv.NumError](err); noNumber || isReply(err) { // it can be done without
		warnings, err = append(warnings, vpn.Warning{Text: err.Error()}), nil
	}
	return cluster, warnings, err
}

// Nodes reads the VPN records of all nodes, ordered by node id.
func (s *Store) Nodes(ctx context.Context) ([]vpn.Node, []vpn.Warning, error) {
	ids, warnings, err := s.nodeIDs(ctx)
	if err != nil {
		return nil, nil, err
	}
	pipe := s.redis.Pipeline()
	records := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		records[i] = pipe.HGetAll(ctx, VPNKey(id))
	}
	// One record of a wrong type costs only itself.
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return nil, nil, fmt.Errorf("read VPN records: %w", err)
	}
	var nodes []vpn.Node
	for i, id := range ids {
		fields, err := records[i].Result()
		if isReply(err) {
			nodes = append(nodes, vpn.Node{ID: id})
			warnings = append(warnings, vpn.Warning{Node: id, Text: s.unreadable(ctx, VPNKey(id), err)})
			continue
		}
		if err != nil { // the connection broke after a record of a wrong type
			return nil, nil, fmt.Errorf("read VPN records: %w", err)
		}
		node, wrong := vpn.ParseNode(id, fields)
		nodes = append(nodes, node)
		warnings = append(warnings, wrong...)
	}
	return nodes, warnings, nil
}

// unreadable says why a key that should be a hash could not be read as one.
func (s *Store) unreadable(ctx context.Context, key string, why error) string {
	kind, err := s.redis.Type(ctx, key).Result()
	if err != nil || kind == "hash" {
		return fmt.Sprintf("%s cannot be read: %v", key, why)
	}
	return fmt.Sprintf("%s is of type %s, not a hash", key, kind)
}

// isReply tells an error that Redis replied, such as WRONGTYPE, from a broken connection.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// scanCount is a hint to SCAN: large steps keep the round trips few.
const scanCount = 1000

// nodeIDs lists the nodes that have a VPN record, sorted, and warns of keys that
// look like those of a node's record and are none's.
func (s *Store) nodeIDs(ctx context.Context) ([]int, []vpn.Warning, error) {
	found, odd := map[int]bool{}, map[string]bool{}
	keys := s.redis.Scan(ctx, 0, "node/*/vpn", scanCount).Iterator()
	for keys.Next(ctx) {
		middle := strings.TrimSuffix(strings.TrimPrefix(keys.Val(), "node/"), "/vpn")
		if id, err := strconv.Atoi(middle); err == nil && id > 0 && VPNKey(id) == keys.Val() {
			found[id] = true
		} else if !strings.Contains(middle, "/") {
			odd[keys.Val()] = true
		}
	}
	if err := keys.Err(); err != nil {
		return nil, nil, fmt.Errorf("list nodes: %w", err)
	}
	var warnings []vpn.Warning
	for _, key := range slices.Sorted(maps.Keys(odd)) {
		warnings = append(warnings, vpn.Warning{Text: fmt.Sprintf("%.100q is no node's record: nodes are numbered from 1", key)})
	}
	return sortedKeys(found), warnings, nil
}
