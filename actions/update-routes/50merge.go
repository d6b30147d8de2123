package updateroutes

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// merge writes the destinations of all nodes that are named, and tells the others.
func (s steps) merge(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	unlock, err := s.machine.Files.Lock(ctx, cluster.NodesLock)
	if err != nil {
		return fmt.Errorf("wait for another change of the nodes to end: %w", err)
	}
	err = s.machine.Redis(func(store *cluster.Store) error { return s.mergeInto(ctx, c, store, in) })
	if err = errors.Join(err, unlock()); err != nil {
		return err
	}
	return c.Announce("cluster/event/vpn-changed", struct{}{})
}

func (s steps) mergeInto(ctx context.Context, c *worker.Call, store *cluster.Store, in input) error {
	changes, err := in.byNode()
	if err != nil {
		return err
	}
	merged := map[int][]string{}
	for node, change := range changes {
		present, err := store.Destinations(ctx, node)
		if errors.Is(err, cluster.ErrNoNode) {
			return c.Invalid(5, "node_id", node, "node_not_found", err)
		}
		if err != nil {
			return err
		}
		merged[node] = change.apply(present)
	}
	return store.SetDestinations(ctx, merged)
}

// byNode sorts the routes out by their node.
func (in input) byNode() (map[int]change, error) {
	changes := map[int]change{}
	for _, list := range []struct {
		routes []route
		there  bool // afterwards
	}{{in.Remove, false}, {in.Add, true}} {
		for _, route := range list.routes {
			address, err := netip.ParseAddr(route.Address)
			if err != nil {
				return nil, fmt.Errorf("read ip_address: %w", err)
			}
			if changes[route.NodeID] == nil {
				changes[route.NodeID] = change{}
			}
			changes[route.NodeID][address] = list.there
		}
	}
	return changes, nil
}
