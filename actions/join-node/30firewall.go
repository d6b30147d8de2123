package joinnode

import (
	"context"

	"cluster-agent/worker"
)

// firewall trusts the VPN's network, where there is firewalld.
func (s steps) firewall(ctx context.Context, c *worker.Call) error {
	o, err := read(c)
	if err != nil {
		return err
	}
	said, err := s.machine.OpenFirewall(ctx, o.network)
	if err != nil {
		return err
	}
	c.Log().Info(said)
	return nil
}
