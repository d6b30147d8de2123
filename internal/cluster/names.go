package cluster

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"cluster-agent/vpn"
)

// UINames are the names that people gave to the cluster and its nodes, by node
// id; empty where they gave none.
type UINames struct {
	Cluster string
	Nodes   map[int]string
}

// UINames reads the keys cluster/ui_name and node/N/ui_name.
func (s *Store) UINames(ctx context.Context, nodes []vpn.Node) (UINames, error) {
	pipe := s.redis.Pipeline()
	ofCluster := pipe.Get(ctx, "cluster/ui_name")
	ofNodes := map[int]*redis.StringCmd{}
	for _, node := range nodes {
		ofNodes[node.ID] = pipe.Get(ctx, UserName(node.ID)+"/ui_name")
	}
	// A name that is not there, or is no string, costs only itself.
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return UINames{}, fmt.Errorf("read the names of nodes: %w", err)
	}
	names := UINames{Cluster: ofCluster.Val(), Nodes: map[int]string{}}
	for id, name := range ofNodes {
		names.Nodes[id] = name.Val()
	}
	return names, nil
}
