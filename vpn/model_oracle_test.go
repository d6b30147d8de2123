package vpn_test

import (
	"encoding/base64"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// oracle says what a node must have, by the words of the contract: written beside
// the code that it judges, out of nothing but the raw records, and what a host has
// after a run.
type oracle struct {
	realm  *realm
	self   int
	served map[string][]netip.Addr // the last answers of the name service
	known  vpn.Keys                // keys that are, or were, nodes'
	after  vpn.State
	file   vpn.Conf
}

// verdict is what the oracle says.
type verdict struct {
	keep    bool // nothing may be changed
	address netip.Addr
	allowed map[wgtypes.Key][]netip.Addr // of each peer, sorted
	routes  map[netip.Addr]bool
	owned   map[netip.Addr]int // addresses that belong to a node, and to nobody else
	spots   map[netip.Addr]string
	bad     map[int]string // nodes of which a warning has to speak, and a word in it
	reach   map[wgtypes.Key][]netip.AddrPort
}

// rawNode is a record as far as it can be read.
type rawNode struct {
	id           int
	key          wgtypes.Key
	address      netip.Addr
	destinations []netip.Addr
	endpoint     string
}

func (o *oracle) read(id int, v *verdict) rawNode {
	fields := o.realm.records[id]
	n := rawNode{id: id, endpoint: strings.TrimSpace(fields["endpoint"])}
	raw, err := base64.StdEncoding.DecodeString(fields["public_key"])
	if err != nil || len(raw) != len(n.key) {
		v.bad[id] = "public_key"
	} else {
		copy(n.key[:], raw)
	}
	if a, err := netip.ParseAddr(fields["ip_address"]); err != nil {
		v.bad[id] = "ip_address"
	} else {
		n.address = a.Unmap()
	}
	for text := range strings.FieldsSeq(fields["destinations"]) {
		a, err := netip.ParseAddr(text)
		if err != nil || !aMachine(a) {
			v.bad[id] = text
			continue
		}
		n.destinations = append(n.destinations, a.Unmap())
	}
	return n
}

func aMachine(a netip.Addr) bool {
	a = a.Unmap()
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified() && a.String() != "255.255.255.255"
}

// usable returns the records that count, by id: the node's own in any case.
func (o *oracle) usable(v *verdict) []rawNode {
	var nodes []rawNode
	holders := make(map[wgtypes.Key]int)
	all := make(map[int]rawNode)
	for _, id := range slices.Sorted(maps.Keys(o.realm.records)) {
		all[id] = o.read(id, v)
	}
	sound := func(n rawNode) bool {
		return n.key != wgtypes.Key{} && n.address.IsValid() && network.Contains(n.address)
	}
	// A key is first the node's own, then the leader's, then that of the lowest id.
	for _, id := range append([]int{o.self, o.realm.leader}, slices.Sorted(maps.Keys(all))...) {
		n, exists := all[id]
		first := id == o.self || id == o.realm.leader || sound(n)
		if _, held := holders[n.key]; exists && !held && first && n.key != (wgtypes.Key{}) {
			holders[n.key] = id
		}
	}
	if o.after.Exists {
		holders[o.after.PublicKey] = o.self
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		n := all[id]
		switch {
		case id == o.self:
			nodes = append(nodes, n)
		case n.key == wgtypes.Key{} || !n.address.IsValid():
		case !network.Contains(n.address):
			v.bad[id] = "ip_address"
		case holders[n.key] != id:
			v.bad[id] = "public_key"
		default:
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// owners gives each address to one node: own addresses go first, then the lower
// id counts.
func (o *oracle) owners(nodes []rawNode, v *verdict) {
	v.owned = make(map[netip.Addr]int)
	for _, n := range nodes {
		if _, taken := v.owned[n.address]; taken {
			v.bad[n.id] = n.address.String()
		} else if n.address.IsValid() && network.Contains(n.address) {
			v.owned[n.address] = n.id
		}
	}
	for _, n := range nodes {
		for _, d := range n.destinations {
			switch owner, taken := v.owned[d]; {
			case !taken:
				v.owned[d] = n.id
			case owner != n.id:
				v.bad[n.id] = d.String()
			}
		}
	}
}

// isPeer says whether a node is a peer while no switch is under way.
func (o *oracle) isPeer(id int) bool {
	return id != o.self && (o.self == o.realm.leader || id == o.realm.leader || o.realm.standsBy(o.self))
}

// places collects the addresses at which peers are, and where they can be reached.
func (o *oracle) places(nodes []rawNode, v *verdict) {
	v.spots, v.reach = make(map[netip.Addr]string), make(map[wgtypes.Key][]netip.AddrPort)
	spot := func(a netip.Addr, whose string) {
		if a = a.Unmap(); a.IsValid() && !network.Contains(a) {
			v.spots[a] = whose
		}
	}
	for _, id := range slices.Sorted(maps.Keys(o.realm.records)) {
		text := strings.TrimSpace(o.realm.records[id]["endpoint"])
		if a, ok := bareAddress(text); ok {
			spot(a, "configured for node "+strconv.Itoa(id))
		}
		found, err := o.answers(text)
		if err != "" && id != o.self && (o.isPeer(id) || err != "unknown") && text != "" {
			v.bad[id] = text
		}
		if outside := slices.DeleteFunc(slices.Clone(found), network.Contains); o.isPeer(id) && len(outside) > 0 {
			for _, a := range found {
				spot(a, "resolved for node "+strconv.Itoa(id))
			}
		}
	}
	inFile := make(map[wgtypes.Key]netip.Addr)
	for _, p := range o.file.Peers() {
		inFile[p.Key] = p.Endpoint.Addr()
	}
	for _, n := range nodes {
		found, _ := o.answers(n.endpoint)
		_, port, _ := cutPort(n.endpoint)
		for _, a := range found {
			if !network.Contains(a) {
				v.reach[n.key] = append(v.reach[n.key], netip.AddrPortFrom(a, port))
			}
		}
		if o.isPeer(n.id) && n.endpoint != "" && len(v.reach[n.key]) == 0 {
			spot(inFile[n.key], "remembered for node "+strconv.Itoa(n.id))
		}
	}
	for _, p := range o.after.Peers {
		spot(p.Endpoint.Addr(), "seen of a peer")
	}
}

// answers returns the addresses of an endpoint, or what is wrong with it.
func (o *oracle) answers(text string) ([]netip.Addr, string) {
	if text == "" {
		return nil, ""
	}
	host, _, ok := cutPort(text)
	if !ok || strings.ContainsAny(strings.Trim(host, "[]"), " ") {
		return nil, "cannot be read"
	}
	found := o.served[host]
	if a, isAddress := bareAddress(text); isAddress {
		found = []netip.Addr{a}
	}
	if len(slices.DeleteFunc(slices.Clone(found), network.Contains)) == 0 {
		return nil, "unknown"
	}
	return found, ""
}

func cutPort(text string) (host string, port uint16, ok bool) {
	at := strings.LastIndex(text, ":")
	if at < 0 {
		return text, 0, false
	}
	number, err := strconv.ParseUint(text[at+1:], 10, 16)
	host = text[:at]
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	return host, uint16(number), err == nil && number > 0 && host != "" && (bracketed || !strings.Contains(host, ":"))
}

// bareAddress finds the address in an endpoint, with or without a port.
func bareAddress(text string) (netip.Addr, bool) {
	host, _, ok := cutPort(text)
	if !ok {
		host = text
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return a.Unmap(), err == nil
}

// judge says what there must be.
func (o *oracle) judge() verdict {
	v := verdict{bad: make(map[int]string), allowed: make(map[wgtypes.Key][]netip.Addr), routes: make(map[netip.Addr]bool)}
	if o.realm.lost {
		v.keep = true
		return v
	}
	nodes := o.usable(&v)
	byID := make(map[int]rawNode)
	for _, n := range nodes {
		byID[n.id] = n
	}
	_, member := byID[o.self]
	_, led := byID[o.realm.leader]
	if v.keep = !member || !led; v.keep {
		return v
	}
	o.owners(nodes, &v)
	o.places(nodes, &v)
	maps.DeleteFunc(v.owned, func(a netip.Addr, _ int) bool { return o.anothers(a) })
	if a := byID[o.self].address; v.owned[a] == o.self {
		v.address = a
	}
	for _, n := range nodes {
		if o.isPeer(n.id) {
			v.allowed[n.key] = []netip.Addr{}
		}
	}
	for a, id := range v.owned {
		carrier := byID[o.realm.leader].key
		if o.self == o.realm.leader {
			carrier = byID[id].key
		}
		if id == o.self || v.spots[a] != "" || o.beside(a) {
			continue
		}
		v.allowed[carrier] = append(v.allowed[carrier], a)
		v.routes[a] = o.routed(a)
	}
	for key := range v.allowed {
		slices.SortFunc(v.allowed[key], netip.Addr.Compare)
	}
	return v
}

// anothers says whether an address belongs to somebody who is no node: outside
// the cluster's network it stays his.
func (o *oracle) anothers(a netip.Addr) bool {
	return !network.Contains(a) && slices.ContainsFunc(o.after.Peers, func(p vpn.Peer) bool {
		return !o.known.Has(p.Key) && slices.Contains(p.AllowedIPs, netip.PrefixFrom(a, a.BitLen()))
	})
}

func (o *oracle) routed(a netip.Addr) bool {
	near := func(p netip.Prefix) bool { return p.Contains(a) }
	return !slices.Contains(o.after.Host, a) && (network.Contains(a) || !slices.ContainsFunc(o.after.Networks, near))
}

// beside says whether the host has a route of its own for an address.
func (o *oracle) beside(a netip.Addr) bool {
	return slices.Contains(o.after.HostRoutes, netip.PrefixFrom(a, a.BitLen()))
}
