package promotenode

import (
	"context"

	"cluster-agent/worker"
)

// announce tells all nodes who is to lead.
func (s steps) announce(_ context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	return c.Announce("cluster/event/leader-changed", struct {
		NodeID   int    `json:"node_id"`
		Endpoint string `json:"endpoint"`
	}{in.NodeID, in.endpoint()})
}
