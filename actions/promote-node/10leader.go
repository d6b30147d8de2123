package promotenode

import (
	"context"
	"fmt"

	"cluster-agent/internal/cluster"
)

// leader refuses a node that leads already.
func (s steps) leader(ctx context.Context, in input) (finding, error) {
	var found finding
	err := s.machine.Redis(func(store *cluster.Store) error {
		leader, err := store.Leader(ctx)
		if err != nil {
			return err
		}
		if leader == in.NodeID {
			return in.refuse(3, "node_is_already_leader", fmt.Errorf("node %d leads the cluster already", leader))
		}
		found.detail = fmt.Sprintf("node %d leads, and node %d does not", leader, in.NodeID)
		return nil
	})
	return found, err
}
