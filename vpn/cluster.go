package vpn

import (
	"net/netip"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Node is the VPN record of one cluster node.
//
// A zero PublicKey or an invalid Address is what Record.Node leaves of a bad
// field. Such a record is not used, and costs nobody but its node.
type Node struct {
	ID           int
	PublicKey    wgtypes.Key
	Address      netip.Addr   // the node's address in the cluster network
	Destinations []netip.Addr // addresses outside it that are reached through the node
	Endpoint     string       // host:port, [IPv6]:port or empty; an administrator's text, checked when it is resolved
}

// Cluster is what the records in Redis say.
type Cluster struct {
	Self   int // id of the node that looks
	Leader int // id of the hub
	// Candidates are nodes of which one may be about to become the hub, or has become
	// it unheard. A link to one of them carries what belongs to its two ends as soon as a
	// handshake has shown that it works.
	Candidates []int
	// Behind are nodes on the other end of links that a switch leaves: to those
	// who have not turned yet, on the old hub; to the old hub, on those who turn.
	// They carry what belongs to that node until both ends have let go.
	Behind []int
	// StandsBy says that this node may lead one day, so that all others are its peers,
	// without allowed IPs: each gets an answer to a handshake, and no packet takes
	// another way.
	StandsBy bool
	// Standby are nodes that are peers in the same way, for handshakes alone: this node
	// wants to know whether one of them could be its hub.
	Standby []int
	Network netip.Prefix // the zero Prefix: no cluster has been created yet
	LastID  int          // the node id given out last, never again to another node; 0: not known
	Nodes   []Node
}

// Node returns the record of the node with the given id.
func (c Cluster) Node(id int) (Node, bool) {
	for _, n := range c.Nodes {
		if n.ID == id {
			return n, true
		}
	}
	return Node{}, false
}

// Record is the hash node/ID/vpn as it is written; empty for a field that is not there.
type Record struct {
	PublicKey    string // public_key
	Address      string // ip_address
	Destinations string // destinations
	Endpoint     string // endpoint
}

// Node reads the record. Each field that cannot be read gives a Warning and its zero
// value; a bad destination costs only itself.
func (r Record) Node(id int) (Node, []Warning) {
	n := Node{ID: id, Endpoint: strings.TrimSpace(r.Endpoint)}
	var warnings []Warning
	warn := func(format string, args ...any) {
		warnings = append(warnings, warnf(id, format, args...))
	}

	key, err := wgtypes.ParseKey(strings.TrimSpace(r.PublicKey))
	if err != nil || key == (wgtypes.Key{}) {
		warn("public_key %s: not a WireGuard key", quote(r.PublicKey))
	} else {
		n.PublicKey = key
	}

	addr, err := netip.ParseAddr(strings.TrimSpace(r.Address))
	if err != nil {
		warn("ip_address %s: not an IP address", quote(r.Address))
	} else {
		n.Address = addr.Unmap()
	}

	bad := 0
	for text := range strings.FieldsSeq(r.Destinations) {
		dst, wrong := parseDestination(text)
		if wrong == "" {
			n.Destinations = append(n.Destinations, dst)
			continue
		}
		if bad++; bad <= mostBad {
			warn("destination %s: %s", quote(text), wrong)
		}
	}
	if bad > mostBad {
		warn("%d more destinations are no addresses of machines", bad-mostBad)
	}
	return n, warnings
}

// mostBad is how many bad destinations of one record are named.
const mostBad = 10

// parseDestination accepts the address of one machine, or says what is wrong. The
// special addresses are refused because a route for them would cut off this host,
// not reach another.
func parseDestination(text string) (addr netip.Addr, wrong string) {
	// Every address has one of these. A field may hold half a million words that
	// have none, and the parser makes an error of each.
	if !strings.ContainsAny(text, ".:") {
		return netip.Addr{}, "not an IP address"
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, "not an IP address"
	}
	addr = addr.Unmap()
	if !routable(addr) {
		return netip.Addr{}, "not the address of a machine"
	}
	return addr, ""
}

// routable says whether addr can be the address of another machine, reachable
// from everywhere.
func routable(addr netip.Addr) bool {
	return addr.IsValid() && addr.Zone() == "" &&
		!addr.IsUnspecified() && !addr.IsLoopback() && !addr.IsMulticast() &&
		!addr.IsLinkLocalUnicast() && addr != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
