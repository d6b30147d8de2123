package vpn

import "net/netip"

// addPeer puts node n among the desired peers, without allowed IPs as yet.
func (w *wanter) addPeer(n Node) {
	p := DesiredPeer{Node: n.ID, Key: n.PublicKey, Keepalive: Keepalive}
	p.Configured = w.configured(n)
	have, exists := w.peers.Get(n.PublicKey)
	switch {
	case p.Configured.IsValid() && w.mustSet(have, p):
		p.Endpoint = p.Configured
	case exists && w.c.Network.Contains(have.Endpoint.Addr()):
		// A tunnel cannot carry itself, and the address must stay in the tunnel
		// for the node it belongs to.
		w.warn(n.ID, "forgetting the endpoint %v: it is inside the cluster network", have.Endpoint)
		p.Renew, p.Endpoint = true, w.seen(n)
		w.renewed[n.ID] = true
	case !have.Endpoint.IsValid():
		p.Endpoint = w.seen(n)
	}
	if n.Endpoint == "" && !have.Endpoint.IsValid() && w.mustFind(n.ID) {
		w.warn(n.ID, "the record has no endpoint: waiting for the node to make itself heard")
	}
	w.desired.Peers = append(w.desired.Peers, p)
}

// seen returns where the node was heard of before its peer forgot it.
func (w *wanter) seen(n Node) netip.AddrPort {
	endpoint := w.mem.Seen[n.PublicKey]
	if w.c.Network.Contains(endpoint.Addr()) {
		return netip.AddrPort{}
	}
	return endpoint
}

// mustFind says whether this node has to find node id, rather than wait
// to be found by it.
func (w *wanter) mustFind(id int) bool {
	return w.c.Self != w.c.Leader && (id == w.c.Leader || w.c.mayLead(id))
}

// configured returns the address of the record's endpoint, or the one of an
// earlier run if the name cannot be resolved now.
func (w *wanter) configured(n Node) netip.AddrPort {
	if n.Endpoint == "" {
		return netip.AddrPort{}
	}
	if res, ok := w.found[n.ID]; ok && res.Endpoint.IsValid() && !w.c.Network.Contains(res.Endpoint.Addr()) {
		return res.Endpoint
	}
	earlier := w.mem.Endpoints[n.PublicKey]
	if w.c.Network.Contains(earlier.Addr()) {
		return netip.AddrPort{}
	}
	return earlier
}

// mustSet says whether the peer's endpoint has to be set to the configured
// one. A peer that was heard of lately from elsewhere has roamed, and knows
// better than a name server that lags behind; it is left alone unless the
// setting itself is new.
func (w *wanter) mustSet(have Peer, p DesiredPeer) bool {
	if have.Endpoint == p.Configured {
		return false
	}
	if !have.Endpoint.IsValid() || w.c.Network.Contains(have.Endpoint.Addr()) {
		return true
	}
	if _, resolved := w.found[p.Node]; !resolved {
		return false // unknown now: what works, or may work, stays
	}
	earlier, known := w.mem.Endpoints[p.Key]
	return !w.now.Fresh(have) || known && earlier != p.Configured
}

// knownEndpoints collects every address at which a peer is, or may be: as
// configured, resolved now or earlier, or seen by the kernel. Configured
// addresses of all nodes count on every node, so that a switch of the leader
// does not change what is in the tunnel. What this run is about to change,
// endpoints of peers that go or move, does not count: the next run would come
// to another answer.
func (w *wanter) knownEndpoints() map[netip.Addr]int {
	at := make(map[netip.Addr]int, len(w.c.Nodes))
	add := func(addr netip.Addr, node int) {
		if addr = addr.Unmap().WithZone(""); addr.IsValid() && !w.c.Network.Contains(addr) {
			at[addr] = node
		}
	}
	ours := w.desired.Ours
	for _, p := range w.now.Peers {
		if !ours.Has(p.Key) {
			add(p.Endpoint.Addr(), 0)
		}
	}
	for _, n := range w.c.Nodes {
		if addr, ok := literalAddr(n.Endpoint); ok {
			add(addr, n.ID)
		}
	}
	for _, n := range w.c.Nodes {
		for _, addr := range w.found[n.ID].Answers {
			add(addr, n.ID)
		}
	}
	for _, p := range w.desired.Peers {
		add(p.Configured.Addr(), p.Node)
		add(p.Endpoint.Addr(), p.Node)
		if have, ok := w.peers.Get(p.Key); ok && !p.Renew && !p.Endpoint.IsValid() {
			add(have.Endpoint.Addr(), p.Node)
		}
	}
	return at
}

// leavingEndpoints are addresses at which peers of ours are, and will not be.
func (w *wanter) leavingEndpoints() map[netip.Addr]bool {
	leaving := make(map[netip.Addr]bool)
	for _, p := range w.now.Peers {
		addr := p.Endpoint.Addr().Unmap().WithZone("")
		if _, stays := w.endpoints[addr]; !stays && w.desired.Ours.Has(p.Key) && !w.c.Network.Contains(addr) {
			leaving[addr] = true
		}
	}
	return leaving
}
