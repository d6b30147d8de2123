package getclusterstatus

import (
	"context"
	"errors"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// status reads the records and the interface, and puts them together.
func (s steps) status(ctx context.Context, c *worker.Call) error {
	self, err := s.machine.Files.NodeID()
	if err != nil {
		return err
	}
	state, err := s.machine.VPNState(ctx)
	if err != nil {
		return err
	}
	return s.machine.Redis(func(store *cluster.Store) error { return reply(ctx, c, store, self, state) })
}

func reply(ctx context.Context, c *worker.Call, store *cluster.Store, self int, state vpn.State) error {
	records, warnings, err := store.Snapshot(ctx, self)
	if errors.Is(err, cluster.ErrNoNetwork) {
		return c.Reply(output{Nodes: []nodeStatus{}})
	}
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		c.Log().Warnf("VPN: %s", warning)
	}
	names, err := store.UINames(ctx, records.Nodes)
	if err != nil {
		return err
	}
	return c.Reply(describe(records, state, names))
}
