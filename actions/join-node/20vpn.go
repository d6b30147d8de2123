package joinnode

import (
	"context"

	"cluster-agent/worker"
)

// vpn brings up wg0 with the leader as its one peer.
func (s steps) vpn(ctx context.Context, c *worker.Call) error {
	o, err := read(c)
	if err != nil {
		return err
	}
	return s.machine.StartVPN(ctx, o.address, o.network, &o.leader)
}
