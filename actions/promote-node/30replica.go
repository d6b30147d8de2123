package promotenode

import (
	"context"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// replica wants the node's Redis among the connected replicas of this one.
func (s steps) replica(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	return s.machine.Redis(func(store *cluster.Store) error {
		refuse := func(why error) error {
			return c.Invalid(5, "node_id", in.NodeID, "node_replica_not_found", why)
		}
		nodes, _, err := store.Nodes(ctx)
		if err != nil {
			return err
		}
		for _, node := range nodes {
			if node.ID == in.NodeID {
				if err := store.HasReplica(ctx, node.Address); err != nil {
					return refuse(fmt.Errorf("%w: is the node on, and its VPN link up?", err))
				}
				return nil
			}
		}
		return refuse(fmt.Errorf("the cluster has no node %d", in.NodeID))
	})
}
