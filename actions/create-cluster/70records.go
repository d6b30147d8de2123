package createcluster

import (
	"context"
	"net/netip"

	"github.com/google/uuid"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// records writes what the cluster consists of, last of all: a cluster that is
// written down works.
func (s steps) records(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	network, err := netip.ParsePrefix(in.Network)
	if err != nil {
		return err
	}
	address, err := cluster.NodeAddress(network, firstNode)
	if err != nil {
		return err
	}
	key, err := s.machine.Files.Keys()
	if err != nil {
		return err
	}
	first := vpn.Node{ID: firstNode, PublicKey: key.PublicKey(), Address: address, Endpoint: in.Endpoint}
	err = s.machine.Redis(func(store *cluster.Store) error {
		return s.write(ctx, store, in.Network, first)
	})
	if err != nil {
		return err
	}
	return c.Reply(map[string]string{"ip_address": address.String()})
}

func (s steps) write(ctx context.Context, store *cluster.Store, network string, first vpn.Node) error {
	if err := store.Create(ctx, network, first, uuid.NewString()); err != nil {
		return err
	}
	if err := store.ShareACLs(ctx); err != nil {
		return err
	}
	return store.Persist(ctx)
}
