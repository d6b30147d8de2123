package promotenode

import (
	"context"
	"errors"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// leader refuses a node that leads already, and to say who leads if this one does not any
// more.
func (s steps) leader(ctx context.Context, in input) (finding, error) {
	var found finding
	if err := s.machine.Overtaken(ctx); err != nil {
		if errors.Is(err, node.ErrOvertaken) {
			err = worker.Exit(exitOvertaken, err)
		}
		return found, err
	}
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
