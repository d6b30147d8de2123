package cluster

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// ErrNetworkFull says that a node id has no address left in the network.
var ErrNetworkFull = errors.New("the cluster network has no address for another node")

// NodeAddress is the VPN address of a node: the network's own address plus the
// node's id. The last address, broadcast, belongs to nobody.
func NodeAddress(network netip.Prefix, node int) (netip.Addr, error) {
	if !network.IsValid() || !network.Addr().Is4() || node < 1 {
		return netip.Addr{}, errors.New("node addresses need an IPv4 network and a positive node id")
	}
	if last := uint64(1)<<(32-network.Bits()) - 1; uint64(node) >= last {
		return netip.Addr{}, ErrNetworkFull
	}
	base := network.Masked().Addr().As4()
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(base[:])+uint32(node)) //nolint:gosec // smaller than the network
	return netip.AddrFrom4(address), nil
}
