package joinnode

import (
	"context"

	"cluster-agent/worker"
)

// leader makes sure, while a failure can still be told, that the leader is
// reached and knows this node.
func (s steps) leader(ctx context.Context, c *worker.Call) error {
	o, err := read(c)
	if err != nil {
		return err
	}
	return s.machine.MeetLeader(ctx, o.leader.Address, o.node)
}
