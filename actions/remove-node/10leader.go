package removenode

import (
	"context"
	"errors"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// leader refuses to remove the node that the others are held together by.
func (s steps) leader(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	return s.machine.Redis(func(store *cluster.Store) error {
		leader, err := store.Leader(ctx)
		if err != nil {
			return err
		}
		if leader == in.NodeID {
			return c.Invalid(3, "node_id", in.NodeID, "node_is_leader",
				errors.New("promote another node first, then remove this one"))
		}
		return nil
	})
}
