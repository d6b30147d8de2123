package promotenode

import (
	"context"
	"fmt"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// syncTime is how long the replica may take to catch up. It acknowledges every
// second; one that is further behind would keep all writes waiting.
const syncTime = 3 * time.Second

// replica wants the node's Redis among the connected replicas of this one, and
// in sync.
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
			if node.ID == in.NodeID && node.Address.IsValid() {
				catching, cancel := context.WithTimeout(ctx, syncTime)
				defer cancel()
				if err := store.ReplicaInSync(catching, node.Address); err != nil {
					return refuse(fmt.Errorf("%w: is the node on, and its VPN link up?", err))
				}
				return nil
			}
		}
		return refuse(fmt.Errorf("the cluster has no node %d", in.NodeID))
	})
}
