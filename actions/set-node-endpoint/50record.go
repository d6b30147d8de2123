package setnodeendpoint

import (
	"context"
	"errors"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// record writes the endpoint and tells the others.
func (s steps) record(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	unlock, err := s.machine.Files.Lock(ctx, cluster.NodesLock)
	if err != nil {
		return fmt.Errorf("wait for another change of the nodes to end: %w", err)
	}
	err = s.machine.Redis(func(store *cluster.Store) error { return store.SetEndpoint(ctx, in.NodeID, in.Endpoint) })
	if unlockErr := unlock(); unlockErr != nil {
		return errors.Join(err, unlockErr)
	}
	if errors.Is(err, cluster.ErrNoNode) {
		return c.Invalid(5, "node_id", in.NodeID, "node_not_found", err)
	}
	if err != nil {
		return err
	}
	return c.Announce("cluster/event/vpn-changed", struct{}{})
}
