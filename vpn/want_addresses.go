package vpn

import (
	"net/netip"
	"slices"
	"sync"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// settleOwners gives each address in the records to one node. Own addresses go
// first, then destinations, each by node id, so that every node of the cluster
// comes to the same answer.
func (w *wanter) settleOwners() {
	w.owner = make(map[netip.Addr]int, len(w.nodes))
	for _, n := range w.nodes {
		if !n.Address.IsValid() {
			continue
		}
		if other, taken := w.claim(n.Address, n.ID); taken {
			w.warn(n.ID, "ip_address %v is also the address of node %d, which keeps it", n.Address, other)
		}
	}
	for _, n := range w.nodes {
		for _, dst := range n.Destinations {
			w.claimDestination(dst.Unmap(), n.ID)
		}
	}
}

// claim gives addr to node id, unless another has it.
func (w *wanter) claim(addr netip.Addr, id int) (other int, taken bool) {
	other, exists := w.owner[addr]
	if !exists {
		w.owner[addr] = id
	}
	return other, exists && other != id
}

func (w *wanter) claimDestination(dst netip.Addr, id int) {
	if !routable(dst) {
		w.warn(id, "destination %v is not the address of a machine", dst)
		return
	}
	if other, taken := w.claim(dst, id); taken {
		w.warn(id, "destination %v belongs to node %d", dst, other)
	}
}

// placeAddresses decides for each address whether it is an allowed IP, of which
// peer, and whether it is routed through the tunnel.
func (w *wanter) placeAddresses() {
	peers := make(map[int]int, len(w.desired.Peers)) // node id → index of its desired peer
	for i, p := range w.desired.Peers {
		peers[p.Node] = i
	}
	own := make(map[netip.Addr]bool)
	for _, addr := range w.now.Host {
		own[addr] = true
	}
	w.desired.Routes = make([]netip.Prefix, 0, len(w.owner))
	for addr, node := range w.owner {
		i, ok := peers[w.carrier(node, peers)]
		if !ok || node == w.c.Self || !w.allowed(addr, node) {
			continue
		}
		if w.leaving[addr] && !w.inside(addr) {
			w.desired.Waits = true
			continue
		}
		w.desired.Peers[i].AllowedIPs = append(w.desired.Peers[i].AllowedIPs, host(addr))
		if w.routed(addr, node, own[addr]) {
			w.desired.Routes = append(w.desired.Routes, host(addr))
		}
	}
	for i := range w.desired.Peers {
		sortPrefixes(w.desired.Peers[i].AllowedIPs)
	}
	sortPrefixes(w.desired.Routes)
}

// inside says whether addr is in the tunnel now.
func (w *wanter) inside(addr netip.Addr) bool {
	routed := slices.ContainsFunc(w.now.Routes, func(r Route) bool { return r.Dst.Contains(addr) })
	return routed && slices.ContainsFunc(w.now.Peers, func(p Peer) bool {
		return slices.ContainsFunc(p.AllowedIPs, func(ip netip.Prefix) bool { return ip.Contains(addr) })
	})
}

// carrier returns the node whose link carries packets for node id. peers are the indexes of
// the nodes' desired peers.
func (w *wanter) carrier(id int, peers map[int]int) int {
	if w.c.Self == w.c.Leader || slices.Contains(w.c.Behind, id) || w.direct(id, peers) {
		return id
	}
	return w.c.Leader
}

// direct says whether node id is reached over a link that was prepared for a
// switch: between the candidate and any other node, once a handshake has shown
// that it works. So the two can talk to each other whatever becomes of the
// present hub.
func (w *wanter) direct(id int, peers map[int]int) bool {
	i, wanted := peers[id]
	if !wanted || !w.c.mayLead(id) && !w.c.mayLead(w.c.Self) {
		return false
	}
	have, exists := w.peers.Get(w.desired.Peers[i].Key)
	return exists && w.now.Fresh(have) && !w.renewed[id]
}

// allowed says whether addr may be an allowed IP at all. One for which the host
// has a route of its own may not: wg-quick makes a route for each allowed IP, and
// brings up nothing if it cannot.
func (w *wanter) allowed(addr netip.Addr, node int) bool {
	if peer, ok := w.endpoints[addr]; ok {
		w.note(node, "%v stays out of the tunnel: %s is there", addr, peerName(peer))
		return false
	}
	if slices.Contains(w.now.HostRoutes, host(addr)) {
		w.warn(node, "%v stays out of the tunnel: the host has another route for it", addr)
		return false
	}
	key, taken := w.foreign[host(addr)]
	switch {
	case !taken:
		return true
	case w.c.Network.Contains(addr):
		w.warn(node, "%v is taken back from the peer %v, which is no node of the cluster", addr, key)
		return true
	default:
		w.warn(node, "%v belongs to the peer %v, which is no node of the cluster", addr, key)
		return false
	}
}

// peerName is how a note speaks of the peer at an endpoint.
func peerName(id int) string {
	if id == 0 {
		return "a peer that is no node of the cluster"
	}
	return warnf(0, "node %d", id).Text
}

// routed says whether packets for addr go through the tunnel, given that a
// peer may send from it.
func (w *wanter) routed(addr netip.Addr, node int, own bool) bool {
	if own {
		w.note(node, "%v is not routed: it is an address of this host", addr)
		return false
	}
	if !w.c.Network.Contains(addr) {
		for _, network := range w.now.Networks {
			if network.Contains(addr) {
				w.note(node, "%v is not routed: it is reached directly in %v", addr, network)
				return false
			}
		}
	}
	return true
}

// foreignIPs returns the allowed IPs of peers that are not ours.
func (w *wanter) foreignIPs() map[netip.Prefix]wgtypes.Key {
	ours := w.desired.Ours
	foreign := make(map[netip.Prefix]wgtypes.Key)
	for _, p := range w.now.Peers {
		if ours.Has(p.Key) {
			continue
		}
		for _, ip := range p.AllowedIPs {
			foreign[ip] = p.Key
		}
	}
	return foreign
}

// staleRoutes returns the routes that were made for the cluster and are no
// longer wanted: all with our protocol number, and those that wg-quick made for
// what a node of the cluster has, or had, among its allowed IPs. Nothing else
// tells wg-quick's routes from an administrator's.
func (w *wanter) staleRoutes() []Route {
	made := w.madeByQuick()
	var stale []Route
	for _, r := range w.now.Routes {
		_, wanted := slices.BinarySearchFunc(w.desired.Routes, r.Dst, comparePrefix)
		if !wanted && (r.Protocol == RouteProtocol || r.byQuick() && made()[r.Dst]) {
			stale = append(stale, r)
		}
	}
	sortRoutes(stale)
	return stale
}

// madeByQuick finds, when it is asked, the destinations for which wg-quick makes routes on
// behalf of the cluster's peers.
func (w *wanter) madeByQuick() func() map[netip.Prefix]bool {
	return sync.OnceValue(func() map[netip.Prefix]bool {
		made := make(map[netip.Prefix]bool)
		for addr := range w.owner {
			made[host(addr)] = true
		}
		for _, p := range w.now.Peers {
			for _, ip := range p.AllowedIPs {
				made[ip] = true
			}
		}
		for dst := range w.foreign {
			if !w.takenBack(dst) {
				delete(made, dst)
			}
		}
		return made
	})
}

// takenBack says whether a peer that is not ours loses dst to the node whose
// address it is.
func (w *wanter) takenBack(dst netip.Prefix) bool {
	owner, owned := w.owner[dst.Addr()]
	return owned && owner != w.c.Self && dst.IsSingleIP() && w.c.Network.Contains(dst.Addr())
}

// byQuick says whether the route looks as those of wg-quick do.
func (r Route) byQuick() bool {
	// IPv6 routes have no scope; the kernel shows them all as universe.
	return r.Protocol == ProtocolBoot && (r.Scope == ScopeLink || r.Dst.Addr().Is6())
}
