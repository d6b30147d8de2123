package vpn

import (
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// peerStatuses lists all nodes, and then the peers that are none.
func (j *judge) peerStatuses() []PeerStatus {
	list := make([]PeerStatus, 0, len(j.nodes)+len(j.State.Peers))
	nodes := NewKeys()
	for _, n := range j.nodes {
		nodes.Add(n.PublicKey)
		list = append(list, j.nodeStatus(n))
	}
	earlier := j.memory().Keys
	for _, p := range j.State.Peers {
		if nodes.Has(p.Key) {
			continue
		}
		status := PeerStatus{State: PeerForeign}
		if earlier.Has(p.Key) {
			status.State = PeerFormer
		}
		if len(p.AllowedIPs) > 0 {
			status.Address = p.AllowedIPs[0].String()
		}
		status.setLink(p)
		list = append(list, status)
	}
	return list
}

func (j *judge) nodeStatus(n Node) PeerStatus {
	status := PeerStatus{
		ID: n.ID, Name: j.Names[n.ID], Leader: n.ID == j.Cluster.Leader,
		State: j.state(n), Configured: n.Endpoint,
	}
	if n.Address.IsValid() {
		status.Address = n.Address.String()
	}
	if n.PublicKey != (wgtypes.Key{}) {
		status.PublicKey = n.PublicKey.String()
	}
	if p, exists := j.peers[n.ID]; exists && status.State != PeerLocal {
		status.setLink(p)
	}
	return status
}

// setLink fills in what the kernel says of the link.
func (s *PeerStatus) setLink(p Peer) {
	s.PublicKey = p.Key.String()
	if p.Endpoint.IsValid() {
		s.Endpoint = p.Endpoint.String()
	}
	if !p.LastHandshake.IsZero() {
		s.LastHandshake = p.LastHandshake.Unix()
	}
	s.Received, s.Sent = p.Received, p.Sent
}

// state says how a node is reached.
func (j *judge) state(n Node) PeerState {
	p, exists := j.peers[n.ID]
	switch {
	case n.ID == j.Cluster.Self:
		return PeerLocal
	case !j.expected(n):
		return PeerHub
	case j.Failed[AskInterface] != nil:
		return PeerUnknown
	case !exists:
		return PeerMissing
	case j.State.Fresh(p):
		return PeerUp
	case p.LastHandshake.IsZero():
		return PeerNever
	default:
		return PeerStale
	}
}

// expected says whether packets for the node take a link of its own. Those in wg0.conf
// do, if there is nothing else to go by.
func (j *judge) expected(n Node) bool {
	return j.Failed[AskRecords] != nil || j.Cluster.carries(n.ID)
}
