package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"cluster-agent/vpn"
)

// recordBatch is how many records are asked for in one round trip: few trips, and
// yet not the replies of ten thousand nodes in memory at once.
const recordBatch = 1000

// Nodes reads the VPN records of all nodes, ordered by node id.
func (s *Store) Nodes(ctx context.Context) ([]vpn.Node, []vpn.Warning, error) {
	ids, warnings, err := s.nodeIDs(ctx)
	if err != nil {
		return nil, nil, err
	}
	nodes := make([]vpn.Node, 0, len(ids))
	for batch := range slices.Chunk(ids, recordBatch) {
		records, err := s.records(ctx, batch)
		if err != nil {
			return nil, nil, err
		}
		for i, id := range batch {
			node, wrong, err := s.node(ctx, id, records[i])
			if err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, node)
			warnings = append(warnings, wrong...)
		}
	}
	return nodes, warnings, nil
}

// records asks for the records of some nodes.
func (s *Store) records(ctx context.Context, ids []int) (_ []*redis.SliceCmd, err error) {
	conn := s.redis.Conn() // a pipeline of the client would open a connection for itself
	defer func() { err = errors.Join(err, conn.Close()) }()
	pipe := conn.Pipeline()
	records := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		records[i] = pipe.HMGet(ctx, VPNKey(id), "public_key", "ip_address", "destinations", "endpoint")
	}
	// One record of a wrong type costs only itself.
	if _, err = pipe.Exec(ctx); err != nil && !isReply(err) {
		return nil, fmt.Errorf("read VPN records: %w", err)
	}
	return records, nil
}

// node reads a record.
func (s *Store) node(ctx context.Context, id int, record *redis.SliceCmd) (vpn.Node, []vpn.Warning, error) {
	fields, err := record.Result()
	if isReply(err) {
		return vpn.Node{ID: id}, []vpn.Warning{{Node: id, Text: s.unreadable(ctx, VPNKey(id), err)}}, nil
	}
	if err != nil { // the connection broke after a record of a wrong type
		return vpn.Node{}, nil, fmt.Errorf("read VPN records: %w", err)
	}
	if len(fields) != 4 {
		return vpn.Node{}, nil, fmt.Errorf("read VPN records: %d fields of node %d, not 4", len(fields), id)
	}
	node, wrong := vpn.Record{
		PublicKey: text(fields[0]), Address: text(fields[1]), Destinations: text(fields[2]), Endpoint: text(fields[3]),
	}.Node(id)
	return node, wrong, nil
}

// text is a field of a hash; empty if it is not there.
func text(field any) string {
	if value, ok := field.(string); ok {
		return value
	}
	return ""
}

// unreadable says why a key that should be a hash could not be read as one.
func (s *Store) unreadable(ctx context.Context, key string, why error) string {
	kind, err := s.redis.Type(ctx, key).Result()
	if err != nil || kind == "hash" {
		return fmt.Sprintf("%s cannot be read: %v", key, why)
	}
	return fmt.Sprintf("%s is of type %s, not a hash", key, kind)
}

// scanCount is a hint to SCAN: large steps keep the round trips few, and Redis is
// busy with one for a fraction of a millisecond.
const scanCount = 4000

// nodeIDs lists the nodes that have a VPN record, sorted, and warns of keys that
// look like those of a node's record and are none's.
func (s *Store) nodeIDs(ctx context.Context) ([]int, []vpn.Warning, error) {
	var found []int
	var odd []string
	keys := s.redis.Scan(ctx, 0, "node/*/vpn", scanCount).Iterator()
	for keys.Next(ctx) {
		middle := strings.TrimSuffix(strings.TrimPrefix(keys.Val(), "node/"), "/vpn")
		if id, err := strconv.Atoi(middle); err == nil && id > 0 && strconv.Itoa(id) == middle {
			found = append(found, id)
		} else if !strings.Contains(middle, "/") {
			odd = append(odd, keys.Val())
		}
	}
	if err := keys.Err(); err != nil {
		return nil, nil, fmt.Errorf("list nodes: %w", err)
	}
	var warnings []vpn.Warning
	for _, key := range distinct(odd) {
		warnings = append(warnings, vpn.Warning{Text: fmt.Sprintf("%.100q is no node's record: nodes are numbered from 1", key)})
	}
	return distinct(found), warnings, nil
}

// distinct sorts, and drops what is there twice: SCAN may say a key twice.
func distinct[T cmp.Ordered](all []T) []T {
	slices.Sort(all)
	return slices.Compact(all)
}
