package vpn

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// ConfPeer is a [Peer] section of a cluster node.
type ConfPeer struct {
	Node       int // from the comment "# node N"; 0: a peer without it
	Key        wgtypes.Key
	Endpoint   netip.AddrPort // the zero value: none, or a name
	AllowedIPs []netip.Prefix
	Keepalive  time.Duration
}

// Peers returns the [Peer] sections that have a good key, in the file's order.
// Values that cannot be read are left out.
func (c Conf) Peers() []ConfPeer { return slices.Collect(c.peers) }

// peers yields what Peers returns.
func (c Conf) peers(yield func(ConfPeer) bool) {
	for _, s := range c.sections {
		if p, ok := s.peer(); ok && !yield(p) {
			return
		}
	}
}

// endpoints returns the endpoints in the file.
func (c Conf) endpoints() map[wgtypes.Key]netip.AddrPort {
	endpoints := make(map[wgtypes.Key]netip.AddrPort, len(c.sections))
	for p := range c.peers {
		if p.Endpoint.IsValid() {
			endpoints[p.Key] = p.Endpoint
		}
	}
	return endpoints
}

// SetPeers makes the sections of the cluster's peers those given, sorted by
// node id, in front of all other peers. A section belongs to the cluster if its
// key is in ours, or if it bears our comment. What an administrator added to
// one of them (a preshared key, a comment) stays, and so do the sections of
// other peers.
func (c *Conf) SetPeers(peers []ConfPeer, ours Keys) {
	peers = sortedPeers(peers)
	if !c.hasPeers(peers, ours) {
		c.replacePeers(peers, ours)
	}
}

// hasPeers tells whether SetPeers would change nothing.
func (c *Conf) hasPeers(peers []ConfPeer, ours Keys) bool {
	at := c.find() + 1
	if at == 0 || len(c.sections) < at+len(peers) || len(peers) > 0 && !c.sections[at-1].endsWithBlank() {
		return false
	}
	for i, want := range peers {
		if !c.sections[at+i].says(want) {
			return false
		}
	}
	for i, s := range c.sections {
		p, ok := s.peer()
		if ok && (i < at || i >= at+len(peers)) && (p.of(ours) || hasKey(peers, p.Key)) || !ok && s.halfPeer() {
			return false
		}
	}
	return true
}

// of tells whether a peer of the file is the cluster's.
func (p ConfPeer) of(ours Keys) bool { return ours.Has(p.Key) || p.Node != 0 }

func hasKey(peers []ConfPeer, key wgtypes.Key) bool {
	return slices.ContainsFunc(peers, func(p ConfPeer) bool { return p.Key == key })
}

// says tells whether setPeer would change nothing.
func (s section) says(want ConfPeer) bool {
	known := s.known
	return known != nil && known.ok && !known.odd && s.endsWithBlank() &&
		known.Key == want.Key && known.Node == want.Node && known.Endpoint == want.Endpoint &&
		known.Keepalive == want.Keepalive && len(want.AllowedIPs) > 0 && slices.Equal(known.AllowedIPs, want.AllowedIPs)
}

func (c *Conf) replacePeers(peers []ConfPeer, ours Keys) {
	wanted := make(map[wgtypes.Key]bool, len(peers))
	for _, p := range peers {
		wanted[p.Key] = true
	}
	old := make(map[wgtypes.Key]section)
	c.interfaceSection()
	c.sections = slices.DeleteFunc(c.sections, func(s section) bool {
		p, ok := s.peer()
		if !ok && s.halfPeer() {
			return true
		}
		if !ok || !wanted[p.Key] && !p.of(ours) {
			return false
		}
		old[p.Key] = s
		return true
	})
	sections := make([]section, 0, len(peers))
	for _, p := range peers {
		s, exists := old[p.Key]
		if !exists {
			s = section{header: "[Peer]"}
		}
		s.setPeer(p)
		sections = append(sections, s)
	}
	at := c.find() + 1
	if len(sections) > 0 {
		c.sections[at-1].endWithBlank()
	}
	c.sections = slices.Insert(c.sections, at, sections...)
}

// TakeBack takes allowed IPs from all peers that do not belong to the cluster: in
// the file as in the kernel, an address belongs to the peer that claims it last.
func (c *Conf) TakeBack(ips []netip.Prefix, ours Keys) {
	for i := range c.sections {
		s := &c.sections[i]
		p, ok := s.peer()
		if !ok || ours.Has(p.Key) || p.Node != 0 {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(p.AllowedIPs), func(ip netip.Prefix) bool { return slices.Contains(ips, ip) })
		if len(kept) < len(p.AllowedIPs) {
			s.set("AllowedIPs", joined(kept)...)
		}
	}
}

// halfPeer says whether a section is what is left of a peer of ours, or of one
// without any setting: it makes wg-quick refuse the file.
func (s section) halfPeer() bool {
	p, whole := s.peer()
	return s.is("peer") && !whole && (p.Node > 0 || s.blank())
}

func sortedPeers(peers []ConfPeer) []ConfPeer {
	byNode := func(a, b ConfPeer) int { return a.Node - b.Node }
	if slices.IsSortedFunc(peers, byNode) {
		return peers
	}
	return slices.SortedStableFunc(slices.Values(peers), byNode)
}

const nodeComment = "# node "

// peer returns what a [Peer] section says; false: it is none, or has no good key, and
// only the node can be known.
func (s section) peer() (ConfPeer, bool) {
	known := s.known
	if known == nil {
		known = s.readPeer()
	}
	return known.ConfPeer, known.ok
}

// learnt is the section with what it says of a peer read.
func (s section) learnt() section {
	s.known = s.readPeer()
	return s
}

// readPeer reads a [Peer] section: of several values of a key the last one, as wg does.
func (s section) readPeer() *knownPeer {
	p := &knownPeer{}
	if !s.is("peer") {
		return p
	}
	public, endpoint, keepalive := "", "", ""
	for _, line := range s.lines {
		key, value := keyValue(line)
		switch {
		case key == "":
			p.readComment(line)
		case isKey(key, "PublicKey"):
			p.odd = p.odd || public != ""
			public = value
		case isKey(key, "AllowedIPs"):
			p.readAllowed(value)
		case isKey(key, "Endpoint"):
			endpoint = value
		case isKey(key, "PersistentKeepalive"):
			keepalive = value
		}
	}
	var err error
	if p.Key, err = wgtypes.ParseKey(public); err != nil {
		return &knownPeer{ConfPeer: ConfPeer{Node: p.Node}}
	}
	p.ok = true
	p.readRest(endpoint, keepalive)
	return p
}

func (p *knownPeer) readRest(endpoint, keepalive string) {
	if at, err := netip.ParseAddrPort(endpoint); err == nil {
		p.Endpoint = at
	} else if endpoint != "" {
		p.odd = true
	}
	if seconds, err := strconv.ParseUint(keepalive, 10, 16); err == nil {
		p.Keepalive = time.Duration(seconds) * time.Second
	}
	if len(p.AllowedIPs) > 1 {
		sortPrefixes(p.AllowedIPs)
		p.AllowedIPs = slices.Compact(p.AllowedIPs)
	}
}

// readComment takes the node's id from the first comment that gives one.
func (p *knownPeer) readComment(line string) {
	if text, found := strings.CutPrefix(strings.TrimSpace(line), nodeComment); found && p.Node == 0 {
		if id, err := strconv.Atoi(text); err == nil && id > 0 {
			p.Node = id
		}
	}
}

func (p *knownPeer) readAllowed(value string) {
	for text := range strings.FieldsFuncSeq(value, separates) {
		prefix, err := parseAddress(text)
		if err != nil {
			p.odd = true
			continue
		}
		p.AllowedIPs = append(p.AllowedIPs, prefix.Masked())
	}
}

// wholeIPs says whether all allowed IPs can be read.
func (s section) wholeIPs() bool {
	for _, value := range s.values("AllowedIPs") {
		for _, text := range splitList(value) {
			if _, err := parseAddress(text); err != nil {
				return false
			}
		}
	}
	return true
}

// setPeer writes what we know into the section, and leaves the rest of it.
// Values that mean the same are left as they are written.
func (s *section) setPeer(p ConfPeer) {
	have, _ := s.peer()
	if have.Node != p.Node {
		s.setNode(p.Node)
	}
	s.set("PublicKey", p.Key.String())
	ips := slices.Clone(p.AllowedIPs)
	sortPrefixes(ips)
	if !slices.Equal(have.AllowedIPs, ips) || len(ips) == 0 || !s.wholeIPs() {
		s.set("AllowedIPs", joined(ips)...)
	}
	switch {
	case !p.Endpoint.IsValid():
		s.set("Endpoint")
	case have.Endpoint != p.Endpoint:
		s.set("Endpoint", p.Endpoint.String())
	}
	if have.Keepalive != p.Keepalive {
		s.set("PersistentKeepalive", keepaliveText(p.Keepalive))
	}
	s.endWithBlank()
}

func (s *section) setNode(id int) {
	s.lines = slices.DeleteFunc(s.lines, func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), nodeComment)
	})
	s.lines, s.known = slices.Insert(s.lines, 0, fmt.Sprintf("%s%d", nodeComment, id)), nil
}

// joined gives the one line of allowed IPs, or none: a peer that is only to be
// ready has none.
func joined(ips []netip.Prefix) []string {
	if len(ips) == 0 {
		return nil
	}
	var texts []string
	for _, ip := range ips {
		texts = append(texts, ip.String())
	}
	return []string{strings.Join(texts, ", ")}
}

func keepaliveText(d time.Duration) string {
	return strconv.Itoa(int(d / time.Second))
}
