package joinnode

import (
	"context"

	"cluster-agent/worker"
)

// replicate makes the node's Redis a copy of the leader's.
func (s steps) replicate(ctx context.Context, c *worker.Call) error {
	o, err := read(c)
	if err != nil {
		return err
	}
	return s.machine.Replicate(ctx, o.leader.Address, o.address)
}
