package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// Invitation is what a machine has to know to join a cluster.
type Invitation struct {
	Node    int
	Address netip.Addr
	Network netip.Prefix
	Leader  Leader
}

// ErrLeads refuses a join that would destroy a cluster's data.
var ErrLeads = errors.New("this node leads a cluster")

// ParseInvitation reads the output of add-node.
func ParseInvitation(text []byte) (Invitation, error) {
	var in struct {
		NodeID          int          `json:"node_id"`
		IPAddress       netip.Addr   `json:"ip_address"`
		Network         netip.Prefix `json:"network"`
		LeaderPublicKey string       `json:"leader_public_key"`
		LeaderIPAddress netip.Addr   `json:"leader_ip_address"`
		LeaderEndpoint  string       `json:"leader_endpoint"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return Invitation{}, fmt.Errorf("read the output of add-node: %w", err)
	}
	key, err := wgtypes.ParseKey(in.LeaderPublicKey)
	if err != nil {
		return Invitation{}, fmt.Errorf("leader_public_key %q: %w", in.LeaderPublicKey, err)
	}
	invitation := Invitation{
		Node: in.NodeID, Address: in.IPAddress, Network: in.Network,
		Leader: Leader{Address: in.LeaderIPAddress, PublicKey: key, Endpoint: in.LeaderEndpoint},
	}
	return invitation, invitation.check()
}

func (i Invitation) check() error {
	if i.Node < 1 {
		return fmt.Errorf("node_id %d is no node's", i.Node)
	}
	if !i.Network.IsValid() {
		return errors.New("network is missing")
	}
	for name, address := range map[string]netip.Addr{"ip_address": i.Address, "leader_ip_address": i.Leader.Address} {
		if !i.Network.Contains(address) {
			return fmt.Errorf("%s %s is not in the network %s", name, address, i.Network)
		}
	}
	if _, err := vpn.ParseEndpoint(i.Leader.Endpoint); err != nil {
		return fmt.Errorf("leader_endpoint %q: %w", i.Leader.Endpoint, err)
	}
	return nil
}

// Join does what the action join-node does, without a task: for a machine whose
// Redis is a replica already, where no task can be given. An interrupted join has
// left it so, or the node was removed from its cluster. say tells a person what is
// done; ErrLeads is returned, and nothing done, if the node leads a cluster. It can
// be interrupted and repeated.
func (m *Machine) Join(ctx context.Context, in Invitation, say func(format string, args ...any)) error {
	if err := m.refuseLeader(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		do   func() error
	}{
		{"bring up the VPN", func() error { return m.StartVPN(ctx, in.Address, in.Network, &in.Leader) }},
		{"open the firewall", func() error { _, err := m.OpenFirewall(ctx, in.Network); return err }},
		{"reach the leader", func() error { return m.MeetLeader(ctx, in.Leader.Address, in.Node) }},
		{"name the nodes", func() error { return m.NameNodes(ctx, in.Leader.Address, in.Address) }},
		{fmt.Sprintf("become node %d", in.Node), func() error { return m.Identify(ctx, in.Node) }},
		{"copy the leader's data", func() error { return m.Replicate(ctx, in.Leader.Address, in.Address) }},
		{"start the node agent anew", func() error { return m.RestartNodeAgent(ctx) }},
		{"apply the VPN's routes", func() error { _, err := m.ApplyRoutes(ctx); return err }},
	} {
		say("%s", part.what)
		if err := part.do(); err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return nil
}

// refuseLeader keeps the data of a cluster from being replaced.
func (m *Machine) refuseLeader(ctx context.Context) error {
	return m.Redis(func(store *cluster.Store) error {
		role, err := store.Role(ctx)
		if err != nil || !role.Master {
			return err
		}
		_, err = store.Network(ctx)
		if errors.Is(err, cluster.ErrNoNetwork) {
			return nil
		}
		if err == nil {
			err = ErrLeads
		}
		return err
	})
}
