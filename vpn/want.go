package vpn

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Want says what the interface has to look like, given the records, what the
// node remembers, what the kernel says and what the name service says. It is
// pure, and it gives the same answer whatever part of that answer is already
// applied.
//
// The leader has every other node as a peer. A worker has the leader, for the
// addresses and destinations of all others. While a switch is prepared, the
// candidate also knows every node, and every worker the candidate, at first
// without allowed IPs: handshakes are made, no packet takes another way yet. A
// link that has had its handshake then carries what belongs to its two ends. A
// hub that has handed over keeps the nodes behind, which have not turned yet. Nodes
// that stand by have no allowed IPs, whether a handshake has been made or not.
//
// Each bad record is named in a warning and costs only itself:
//
//   - Who owns an address that several records claim: a node's own address
//     before destinations, then the lower node id.
//   - Who owns an address that a peer which is not ours has on the interface:
//     inside the cluster network the cluster, outside it that peer.
//   - An address at which a peer is, as configured, resolved or seen, never
//     goes into the tunnel. An endpoint inside the cluster network is a bad
//     record: it is not used, and the address stays with its node.
func Want(c Cluster, mem Memory, now State, found Resolved) (Desired, []Warning) {
	w := newWanter(c, mem, now, found)
	if !w.placed() {
		return Desired{Keep: true}, w.warnings
	}
	w.settleOwners()
	w.desired.Address = w.ownAddress()
	if c.Self == c.Leader {
		w.desired.Peers = make([]DesiredPeer, 0, len(w.nodes))
	}
	for _, n := range w.nodes {
		if c.isPeer(n.ID) {
			w.addPeer(n)
		}
	}
	w.endpoints = w.knownEndpoints()
	w.leaving = w.leavingEndpoints()
	w.placeAddresses()
	w.desired.Stale = w.staleRoutes()
	w.desired.Notes = sortWarnings(w.desired.Notes)
	return w.desired, sortWarnings(w.warnings)
}

// wanter carries the inputs of one call of Want and what has been found so far.
type wanter struct {
	c     Cluster
	mem   Memory
	now   State
	found Resolved

	peers     PeerIndex           // as the kernel has them
	nodes     []Node              // usable records, by id
	owner     map[netip.Addr]int  // the node each address belongs to
	endpoints map[netip.Addr]int  // where peers are, and whose endpoint it is; 0: a peer that is not ours
	leaving   map[netip.Addr]bool // where peers are that this run moves or removes
	foreign   map[netip.Prefix]wgtypes.Key
	renewed   map[int]bool // nodes whose peers will have had no handshake

	desired  Desired
	warnings []Warning
}

func newWanter(c Cluster, mem Memory, now State, found Resolved) *wanter {
	w := &wanter{c: c, mem: mem, now: now, found: found, renewed: make(map[int]bool)}
	w.peers = now.ByKey()
	w.desired.Ours = w.ours()
	w.nodes = w.usableNodes()
	w.foreign = w.foreignIPs()
	return w
}

func (w *wanter) warn(node int, format string, args ...any) {
	w.warnings = append(w.warnings, warnf(node, format, args...))
}

func (w *wanter) note(node int, format string, args ...any) {
	w.desired.Notes = append(w.desired.Notes, warnf(node, format, args...))
}

// placed says whether the records give this node a place: it is in them, and
// so is the leader. A removed node, or one whose leader's record is damaged,
// keeps what it has.
func (w *wanter) placed() bool {
	if !w.c.Network.IsValid() {
		return false
	}
	self, ok := w.c.Node(w.c.Self)
	if !ok {
		w.warn(w.c.Self, "this node has no record in the cluster: nothing is changed")
		return false
	}
	if key := w.now.PublicKey; w.now.Exists && self.PublicKey != key {
		w.warn(w.c.Self, "the interface has the key %v, the record says %v", key, self.PublicKey)
	}
	if w.c.Leader == w.c.Self || w.has(w.c.Leader) {
		return true
	}
	w.warn(w.c.Leader, "the leader has no usable record: nothing is changed")
	return false
}

func (w *wanter) has(id int) bool {
	return slices.ContainsFunc(w.nodes, func(n Node) bool { return n.ID == id })
}

// usableNodes returns the records that can be used, by id, this node's own
// among them whatever its state.
func (w *wanter) usableNodes() []Node {
	nodes := slices.Clone(w.c.Nodes)
	slices.SortStableFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	nodes = slices.CompactFunc(nodes, func(a, b Node) bool { return a.ID == b.ID })
	seen := w.reservedKeys()
	usable := nodes[:0]
	for _, n := range nodes {
		if n.ID == w.c.Self || w.usable(n, seen) {
			usable = append(usable, n)
		}
	}
	return usable
}

// reservedKeys are keys that no other node can have: this node's, which the
// kernel takes for no peer, and the leader's, without which all links are lost.
func (w *wanter) reservedKeys() map[wgtypes.Key]int {
	seen := make(map[wgtypes.Key]int, len(w.c.Nodes))
	if leader, ok := w.c.Node(w.c.Leader); ok {
		seen[leader.PublicKey] = leader.ID
	}
	if self, ok := w.c.Node(w.c.Self); ok {
		seen[self.PublicKey] = self.ID
	}
	if w.now.Exists {
		seen[w.now.PublicKey] = w.c.Self
	}
	return seen
}

// usable checks a record. Cloned machines have the same key: the first keeps it
// (the engine could tell them apart only by tearing both links down).
func (w *wanter) usable(n Node, seen map[wgtypes.Key]int) bool {
	if n.PublicKey == (wgtypes.Key{}) || !n.Address.IsValid() {
		return false // named by Record.Node
	}
	if !w.c.Network.Contains(n.Address) {
		w.warn(n.ID, "ip_address %v is outside the cluster network %v", n.Address, w.c.Network)
		return false
	}
	if other, ok := seen[n.PublicKey]; ok && other != n.ID {
		w.warn(n.ID, "public_key %v is also the key of node %d", n.PublicKey, other)
		return false
	}
	seen[n.PublicKey] = n.ID
	return true
}

// ours are the keys of peers that may be removed: those of cluster nodes now
// or earlier, never this node's own.
func (w *wanter) ours() Keys {
	keys := make(Keys, max(len(w.mem.Keys), len(w.c.Nodes))+1)
	keys.Add(ScratchKey())
	maps.Copy(keys, w.mem.Keys)
	for _, n := range w.c.Nodes {
		keys.Add(n.PublicKey)
	}
	return keys
}

// ownAddress returns the address of the interface, unless the record's is bad
// or another node's: then the interface keeps what it has.
func (w *wanter) ownAddress() netip.Prefix {
	self, _ := w.c.Node(w.c.Self)
	if !self.Address.IsValid() || w.owner[self.Address] != self.ID {
		return netip.Prefix{}
	}
	if !w.c.Network.Contains(self.Address) {
		w.warn(self.ID, "ip_address %v is outside the cluster network %v", self.Address, w.c.Network)
		return netip.Prefix{}
	}
	return host(self.Address)
}

// host returns the prefix of a single address.
func host(addr netip.Addr) netip.Prefix {
	return netip.PrefixFrom(addr, addr.BitLen())
}
