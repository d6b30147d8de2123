package promotenode

import (
	"context"

	"cluster-agent/worker"
)

// announce tells all nodes who is to lead, and in which epoch.
func (s steps) announce(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil || in.DryRun {
		return err
	}
	next, err := s.machine.NextLeadership(ctx, in.NodeID, in.endpoint())
	if err != nil {
		return err
	}
	return c.Announce("cluster/event/leader-changed", struct {
		NodeID   int    `json:"node_id"`
		Endpoint string `json:"endpoint"`
		Epoch    int64  `json:"epoch"`
	}{in.NodeID, in.endpoint(), next.Epoch})
}
