package joinnode

import (
	"context"
	"errors"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// validate refuses what cannot be read, and a node that leads a cluster: its
// data would be lost.
func (s steps) validate(ctx context.Context, c *worker.Call) error {
	o, err := read(c)
	if err != nil {
		return err
	}
	if _, err := vpn.ParseEndpoint(o.leader.Endpoint); err != nil {
		return invalid(c, "leader_endpoint", o.leader.Endpoint, err)
	}
	return s.machine.Redis(func(store *cluster.Store) error {
		network, err := store.Network(ctx)
		if errors.Is(err, cluster.ErrNoNetwork) {
			return nil
		}
		if err != nil {
			return err
		}
		role, err := store.Role(ctx)
		if err != nil || !role.Master {
			return err
		}
		return c.Invalid(2, "network", o.network.String(), "cluster_network_already_set",
			fmt.Errorf("this node leads a cluster with the network %s", network))
	})
}
