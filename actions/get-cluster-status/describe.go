package getclusterstatus

import (
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// describe puts records, interface and names together.
func describe(records vpn.Cluster, state vpn.State, names cluster.UINames) output {
	answer := output{
		Initialized: true, Leader: records.Leader == records.Self,
		UIName: names.Cluster, Nodes: []nodeStatus{},
	}
	for _, node := range records.Nodes {
		answer.Nodes = append(answer.Nodes, describeNode(node, records.Self, state, names.Nodes[node.ID]))
		if node.ID == records.Leader {
			answer.LeaderURL = leaderURL(node)
		}
	}
	return answer
}

// leaderURL is empty if nobody knows where the leader is reached.
func leaderURL(leader vpn.Node) string {
	endpoint, err := vpn.ParseEndpoint(leader.Endpoint)
	if err != nil {
		return ""
	}
	host := endpoint.Host
	if endpoint.Addr.Is6() {
		host = "[" + host + "]"
	}
	return "https://" + host + "/cluster-admin/"
}

func describeNode(node vpn.Node, self int, state vpn.State, name string) nodeStatus {
	status := nodeStatus{ID: node.ID, UIName: name, VPN: vpnStatus{
		Address: text(node.Address), PublicKey: keyText(node.PublicKey), Endpoint: node.Endpoint,
	}}
	if node.ID == self {
		status.Local, status.Online = true, true
		status.VPN.ListenPort = state.ListenPort
		return status
	}
	peer, found := state.Peer(node.PublicKey)
	if !found {
		return status
	}
	status.Online = state.Fresh(peer)
	if peer.Endpoint.IsValid() {
		status.VPN.Endpoint = peer.Endpoint.String()
	}
	if !peer.LastHandshake.IsZero() {
		status.VPN.LastSeen = peer.LastHandshake.Unix()
	}
	status.VPN.Received, status.VPN.Sent = peer.Received, peer.Sent
	status.VPN.Keepalive = int64(peer.Keepalive.Seconds())
	return status
}

// text is empty for a record whose address cannot be read.
func text(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// keyText is empty for a record whose key cannot be read.
func keyText(key wgtypes.Key) string {
	if key == (wgtypes.Key{}) {
		return ""
	}
	return key.String()
}
