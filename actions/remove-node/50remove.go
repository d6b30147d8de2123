package removenode

import (
	"context"
	"errors"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// remove deletes what the cluster has of the node and tells the others, one
// change of the nodes at a time.
func (s steps) remove(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	unlock, err := s.machine.Files.Lock(ctx, cluster.NodesLock)
	if err != nil {
		return fmt.Errorf("wait for another change of the nodes to end: %w", err)
	}
	err = s.machine.Redis(func(store *cluster.Store) error { return s.removeFrom(ctx, c, store, in.NodeID) })
	if err = errors.Join(err, unlock()); err != nil {
		return err
	}
	return errors.Join(
		c.Announce("cluster/event/vpn-changed", struct{}{}),
		c.Announce("cluster/event/acl-changed", struct{}{}),
	)
}

func (s steps) removeFrom(ctx context.Context, c *worker.Call, store *cluster.Store, id int) error {
	known, err := store.Known(ctx, id)
	if err != nil {
		return err
	}
	if !known {
		return c.Invalid(5, "node_id", id, "node_not_found", errors.New("the cluster has no such node"))
	}
	return errors.Join(store.RemoveNode(ctx, id), store.ShareACLs(ctx))
}
