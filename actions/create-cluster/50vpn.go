package createcluster

import (
	"context"
	"net/netip"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// vpn brings up wg0 as a hub without peers, and lets Redis listen there.
func (s steps) vpn(ctx context.Context, c *worker.Call) error {
	network, err := netip.ParsePrefix(c.Get("network").String())
	if err != nil {
		return err
	}
	address, err := cluster.NodeAddress(network, firstNode)
	if err != nil {
		return err
	}
	if err := s.machine.StartVPN(ctx, address, network, nil); err != nil {
		return err
	}
	if err := s.machine.NameNodes(ctx, address, address); err != nil {
		return err
	}
	// A join that failed may have left the machine with another id.
	if err := s.machine.Identify(ctx, firstNode); err != nil {
		return err
	}
	return s.machine.Redis(func(store *cluster.Store) error {
		if err := store.Listen(ctx, address); err != nil {
			return err
		}
		return store.Remember(ctx)
	})
}
