package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Addresses of the lab's internet: node N has 203.0.113.N and 2001:db8:1::N, both from
// the ranges for documentation (RFC 5737, RFC 3849). The switch is the router.
const (
	bridgeName  = "internet"
	nodeLink    = "eth0"
	maxNodes    = 200
	routerID    = 254
	prefixBits4 = 24
	prefixBits6 = 64
)

// Address4 is the address that node n has outside the VPN.
func Address4(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}) //nolint:gosec // n ≤ routerID
}

// Address6 is the IPv6 address that node n has outside the VPN.
func Address6(n int) netip.Addr {
	a := netip.MustParseAddr("2001:db8:1::").As16()
	// As people write them: node 12 is ::12, not ::c.
	hi, lo := n/100, n%100
	a[14], a[15] = byte(hi), byte(lo/10<<4|lo%10) //nolint:gosec // n ≤ routerID
	return netip.AddrFrom16(a)
}

// links speaks to the kernel about the interfaces of one namespace.
func links(pid int) (*netlink.Handle, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if closing := ns.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return h, nil
}

// makeInternet sets the switch up: a bridge with the router's addresses.
func makeInternet(h *netlink.Handle) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	snooping := false // neighbour discovery must not wait for a multicast querier
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := h.LinkAdd(bridge); err != nil {
		return fmt.Errorf("make bridge: %w", err)
	}
	return bringUp(h, bridge, routerID)
}

// plugIn makes the cable between the switch and a node.
func plugIn(toSwitch *netlink.Handle, n *Node) error {
	bridge, err := toSwitch.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.port()
	attrs.MasterIndex = bridge.Attrs().Index
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: nodeLink, PeerNamespace: netlink.NsPid(n.holder.pid)}
	if err = toSwitch.LinkAdd(cable); err != nil {
		return fmt.Errorf("make link of node %d: %w", n.ID, err)
	}
	if err = toSwitch.LinkSetUp(cable); err != nil {
		return fmt.Errorf("set link of node %d up: %w", n.ID, err)
	}
	eth0, err := n.links.LinkByName(nodeLink)
	if err != nil {
		return fmt.Errorf("find link in node %d: %w", n.ID, err)
	}
	if err := bringUp(n.links, eth0, n.ID); err != nil {
		return err
	}
	return routeOut(n.links, eth0)
}

func (n *Node) port() string { return "node" + strconv.Itoa(n.ID) }

// bringUp gives an interface the addresses of number id and sets it up.
func bringUp(h *netlink.Handle, link netlink.Link, id int) error {
	for _, p := range []netip.Prefix{
		netip.PrefixFrom(Address4(id), prefixBits4), netip.PrefixFrom(Address6(id), prefixBits6),
	} {
		// Duplicates are not looked for: that takes a second, in which an address is not used.
		if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("add %s: %w", p, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// routeOut sets the default routes, to the switch.
func routeOut(h *netlink.Handle, link netlink.Link) error {
	for _, gw := range []netip.Addr{Address4(routerID), Address6(routerID)} {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: gw.AsSlice()}
		if err := h.RouteAdd(route); err != nil {
			return fmt.Errorf("add default route by %s: %w", gw, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
