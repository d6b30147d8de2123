package createcluster

import (
	"context"
	"net/netip"

	"cluster-agent/worker"
)

// firewall opens the VPN's port and trusts its network, where there is firewalld.
func (s steps) firewall(ctx context.Context, c *worker.Call) error {
	network, err := netip.ParsePrefix(c.Get("network").String())
	if err != nil {
		return err
	}
	said, err := s.machine.OpenFirewall(ctx, network)
	if err != nil {
		return err
	}
	c.Log().Info(said)
	return nil
}
