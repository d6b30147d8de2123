package vpn

import (
	"net/netip"
)

// formerNodes returns the keys of peers that were nodes of the cluster, on a host
// that another tool has set up, and that nothing is remembered of: peers that
// may send from the VPN address of a node whose id was given out, and that has no
// record any more. Ids are given out once, and nobody else has an address in the
// cluster's network.
func formerNodes(c Cluster, now State) Keys {
	keys := NewKeys()
	former := formerAddresses(c)
	present := NewKeys()
	for _, n := range c.Nodes {
		present.Add(n.PublicKey)
	}
	for _, p := range now.Peers {
		if !present.Has(p.Key) && ownedByAny(p, former) {
			keys.Add(p.Key)
		}
	}
	return keys
}

func ownedByAny(p Peer, addresses map[netip.Addr]bool) bool {
	for _, ip := range p.AllowedIPs {
		if ip.IsSingleIP() && addresses[ip.Addr()] {
			return true
		}
	}
	return false
}

// formerAddresses are the VPN addresses of nodes without a record.
func formerAddresses(c Cluster) map[netip.Addr]bool {
	former := make(map[netip.Addr]bool)
	addr := c.Network.Masked().Addr()
	for id := 1; id <= c.LastID; id++ {
		if addr = addr.Next(); !c.Network.Contains(addr) {
			break
		}
		former[addr] = true
	}
	for _, n := range c.Nodes {
		delete(former, n.Address)
	}
	return former
}
