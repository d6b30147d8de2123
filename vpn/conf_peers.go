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
func (c Conf) Peers() []ConfPeer {
	var peers []ConfPeer
	for _, s := range c.sections {
		if p, ok := s.peer(); ok {
			peers = append(peers, p)
		}
	}
	return peers
}

// SetPeers makes the sections of the cluster's peers those given, sorted by
// node id, in front of all other peers. A section belongs to the cluster if its
// key is in ours, or if it bears our comment. What an administrator added to
// one of them (a preshared key, a comment) stays, and so do the sections of
// other peers.
func (c *Conf) SetPeers(peers []ConfPeer, ours Keys) {
	wanted := make(map[wgtypes.Key]bool, len(peers))
	for _, p := range peers {
		wanted[p.Key] = true
	}
	old := make(map[wgtypes.Key]section)
	c.interfaceSection()
	c.sections = slices.DeleteFunc(c.sections, func(s section) bool {
		p, ok := s.peer()
		if s.halfPeer() {
			return true
		}
		if !ok || !wanted[p.Key] && !ours.Has(p.Key) && p.Node == 0 {
			return false
		}
		old[p.Key] = s
		return true
	})
	sections := make([]section, 0, len(peers))
	for _, p := range sortedPeers(peers) {
		s, exists := old[p.Key]
		if !exists {
			s = section{header: "[Peer]"}
		}
		s.setPeer(p)
		sections = append(sections, s)
	}
	at := c.find("interface") + 1
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
	_, whole := s.peer()
	return s.name() == "peer" && !whole && (s.nodeID() > 0 || s.blank())
}

func sortedPeers(peers []ConfPeer) []ConfPeer {
	return slices.SortedStableFunc(slices.Values(peers), func(a, b ConfPeer) int { return a.Node - b.Node })
}

const nodeComment = "# node "

// peer reads a [Peer] section.
func (s section) peer() (ConfPeer, bool) {
	if s.name() != "peer" {
		return ConfPeer{}, false
	}
	key, err := wgtypes.ParseKey(s.last("PublicKey"))
	if err != nil {
		return ConfPeer{}, false
	}
	p := ConfPeer{Node: s.nodeID(), Key: key, AllowedIPs: s.allowedIPs()}
	if endpoint, err := netip.ParseAddrPort(s.last("Endpoint")); err == nil {
		p.Endpoint = endpoint
	}
	if seconds, err := strconv.ParseUint(s.last("PersistentKeepalive"), 10, 16); err == nil {
		p.Keepalive = time.Duration(seconds) * time.Second
	}
	return p, true
}

func (s section) nodeID() int {
	for _, line := range s.lines {
		text, found := strings.CutPrefix(strings.TrimSpace(line), nodeComment)
		if id, err := strconv.Atoi(text); found && err == nil && id > 0 {
			return id
		}
	}
	return 0
}

func (s section) allowedIPs() []netip.Prefix {
	var ips []netip.Prefix
	for _, value := range s.values("AllowedIPs") {
		for _, text := range splitList(value) {
			if prefix, err := parseAddress(text); err == nil {
				ips = append(ips, prefix.Masked())
			}
		}
	}
	sortPrefixes(ips)
	return slices.Compact(ips)
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
	s.lines = slices.Insert(s.lines, 0, fmt.Sprintf("%s%d", nodeComment, id))
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
