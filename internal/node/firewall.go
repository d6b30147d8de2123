package node

import (
	"context"
	"net/netip"

	"cluster-agent/internal/host"
)

// OpenFirewall opens the VPN's port and trusts its network in firewalld. It
// returns what was done, also when there is nothing to do.
func (m *Machine) OpenFirewall(ctx context.Context, network netip.Prefix) (string, error) {
	return host.OpenFirewall(ctx, m.Runner, host.WireGuardPort, network)
}
