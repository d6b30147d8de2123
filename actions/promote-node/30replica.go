package promotenode

import (
	"context"
	"fmt"
	"time"

	"cluster-agent/internal/cluster"
)

// syncTime is how long the replica may take to catch up. It acknowledges every
// second; one that is further behind would keep all writes waiting.
const syncTime = 3 * time.Second

// replica wants the node's Redis among the connected replicas of this one, and
// in sync.
func (s steps) replica(ctx context.Context, in input) (finding, error) {
	node, missing := s.candidate(ctx, in)
	if missing != nil {
		return finding{}, missing
	}
	var found finding
	err := s.machine.Redis(func(store *cluster.Store) error {
		catching, cancel := context.WithTimeout(ctx, syncTime)
		defer cancel()
		lag, err := store.ReplicaInSync(catching, node.Address)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			return in.refuse(exitNoReplica, "node_replica_not_found", fmt.Errorf("%w: is the node on, and its VPN link up?", err))
		}
		found.detail = fmt.Sprintf("the replica at %s %s", node.Address, lag)
		return nil
	})
	return found, err
}
