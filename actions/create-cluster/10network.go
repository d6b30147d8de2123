package createcluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/worker"
)

// network refuses a network that cannot be the VPN's.
func (s steps) network(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	if err := s.noClusterYet(ctx, c, in.Network); err != nil {
		return err
	}
	network, name, err := parseNetwork(in.Network)
	if err != nil {
		code := 2
		if name == "not_a_valid_ipv4_network" {
			code = 3
		}
		return c.Invalid(code, "network", in.Network, name, err)
	}
	used, err := host.NetworkInUse(network)
	if err != nil {
		return err
	}
	if used != "" {
		return c.Invalid(2, "network", in.Network, "network_in_use", fmt.Errorf("it overlaps %s: choose another", used))
	}
	return nil
}

func (s steps) noClusterYet(ctx context.Context, c *worker.Call, asked string) error {
	return s.machine.Redis(func(store *cluster.Store) error {
		network, err := store.Network(ctx)
		switch {
		case errors.Is(err, cluster.ErrNoNetwork):
			return nil
		case err != nil:
			return err
		}
		return c.Invalid(2, "network", asked, "cluster_network_already_set",
			fmt.Errorf("this node is part of a cluster with the network %s", network))
	})
}

// parseNetwork accepts private IPv4 networks (RFC 1918) that have room for at
// least two nodes; else it gives the name of the error.
func parseNetwork(text string) (netip.Prefix, string, error) {
	const invalid = "not_a_valid_ipv4_network"
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return network, invalid, err
	case !network.Addr().Is4():
		return network, invalid, errors.New("it is not IPv4")
	case network != network.Masked():
		return network, invalid, fmt.Errorf("it has host bits set: did you mean %s?", network.Masked())
	case network.Bits() > maxBits:
		return network, invalid, fmt.Errorf("it is too small for two nodes: use /%d or larger", maxBits)
	case !isPrivate(network):
		return network, "not_a_private_network", errors.New("use a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
	}
	return network, "", nil
}

// maxBits is the smallest network with two addresses for nodes, between the
// network's own and the broadcast address.
const maxBits = 30

func isPrivate(network netip.Prefix) bool {
	for _, private := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} {
		block := netip.MustParsePrefix(private)
		if block.Contains(network.Addr()) && network.Bits() >= block.Bits() {
			return true
		}
	}
	return false
}
