package joinnode

import (
	"context"
	"errors"

	"cluster-agent/worker"
)

// identity makes the machine the node that the leader knows.
func (s steps) identity(ctx context.Context, c *worker.Call) error {
	o, err := read(c)
	if err != nil {
		return err
	}
	return errors.Join(
		s.machine.NameNodes(ctx, o.leader.Address, o.address),
		s.machine.Identify(ctx, o.node),
	)
}
