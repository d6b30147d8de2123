package addnode

import (
	"context"
	"slices"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// signOfLife says how it is known that a node has come up since it was added; empty
// if nothing tells of it. A node that never came up, since its join failed, may ask
// again. One that did may be off, and who asks now is a clone of it.
func (s steps) signOfLife(ctx context.Context, store *cluster.Store, records vpn.Cluster, node vpn.Node) (string, error) {
	if node.ID == records.Leader {
		return "it leads", nil
	}
	if worked, err := store.AgentWasHere(ctx, node.ID); worked || err != nil {
		return "its agent has run tasks", err
	}
	role, err := store.Role(ctx)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(role.Replicas, func(r cluster.Replica) bool { return r.Host == node.Address.String() }) {
		return "its Redis is connected", nil
	}
	state, err := s.machine.VPNState(ctx)
	if err != nil {
		return "", err
	}
	peer, found := state.Peer(node.PublicKey)
	if found && (!peer.LastHandshake.IsZero() || node.Endpoint == "" && peer.Endpoint.IsValid()) {
		return "it has been heard of on the VPN", nil
	}
	return "", nil
}
