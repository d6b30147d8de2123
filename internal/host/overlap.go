package host

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// use is an address or a route that a network could be in the way of.
type use struct {
	prefix netip.Prefix
	text   string
}

// NetworkInUse tells what local address or route overlaps the prefix, as text
// like "address 10.5.0.1/16 of eth0", or "" if nothing does. Addresses and
// routes of the cluster's own interface, and default routes, do not count.
func NetworkInUse(prefix netip.Prefix) (string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("list interfaces: %w", err)
	}
	names := make(map[int]string, len(links))
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	uses, err := addressUses(names)
	if err != nil {
		return "", err
	}
	routes, err := routeUses(names)
	if err != nil {
		return "", err
	}
	return overlapping(prefix, append(uses, routes...)), nil
}

func overlapping(prefix netip.Prefix, uses []use) string {
	for _, u := range uses {
		if u.prefix.Overlaps(prefix) {
			return u.text
		}
	}
	return ""
}

func addressUses(names map[int]string) ([]use, error) {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var uses []use
	for _, addr := range addrs {
		name := names[addr.LinkIndex]
		if name == WireGuardInterface {
			continue
		}
		for _, ipnet := range []*net.IPNet{addr.IPNet, addr.Peer} {
			if prefix, ok := toPrefix(ipnet); ok {
				uses = append(uses, use{prefix, fmt.Sprintf("address %s of %s", prefix, name)})
			}
		}
	}
	return uses, nil
}

func routeUses(names map[int]string) ([]use, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var uses []use
	for _, route := range routes {
		prefix, ok := toPrefix(route.Dst)
		name := names[route.LinkIndex]
		if !ok || prefix.Bits() == 0 || name == WireGuardInterface {
			continue
		}
		text := "route " + prefix.String()
		if name != "" {
			text += " of " + name
		}
		uses = append(uses, use{prefix, text})
	}
	return uses, nil
}

// toPrefix keeps the host bits, which say in the text whose address it is.
func toPrefix(ipnet *net.IPNet) (netip.Prefix, bool) {
	if ipnet == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(ipnet.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	bits, size := ipnet.Mask.Size()
	if size == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr.Unmap(), bits), true
}
