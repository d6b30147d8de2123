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
	peers := state.ByKey()
	for _, node := range records.Nodes {
		status := describeNode(node, names.Nodes[node.ID])
		if node.ID == records.Self {
			status.Local, status.Online = true, true
			status.VPN.ListenPort = state.ListenPort
		} else if peer, found := peers.Get(node.PublicKey); found {
			status.Online = state.Fresh(peer)
			status.VPN.add(peer)
		}
		answer.Nodes = append(answer.Nodes, status)
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

// describeNode is what the record says.
func describeNode(node vpn.Node, name string) nodeStatus {
	return nodeStatus{ID: node.ID, UIName: name, VPN: vpnStatus{
		Address: text(node.Address), PublicKey: keyText(node.PublicKey), Endpoint: node.Endpoint,
	}}
}

// add says what the interface has of a peer.
func (s *vpnStatus) add(peer vpn.Peer) {
	if peer.Endpoint.IsValid() {
		s.Endpoint = peer.Endpoint.String()
	}
	if !peer.LastHandshake.IsZero() {
		s.LastSeen = peer.LastHandshake.Unix()
	}
	s.Received, s.Sent = peer.Received, peer.Sent
	s.Keepalive = int64(peer.Keepalive.Seconds())
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
