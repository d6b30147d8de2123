package netdev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// dumpAttempts is how often a dump is repeated that the kernel says was
// disturbed by a change.
const dumpAttempts = 5

// State reads the interface and its surroundings.
func (d *Device) State(ctx context.Context) (vpn.State, error) {
	s := vpn.State{Time: time.Now()}
	link, err := d.link()
	if err != nil {
		return vpn.State{}, err
	}
	index := 0
	if link != nil {
		index = link.Attrs().Index
		s.Up = isUp(link)
		if err = d.readWireGuard(ctx, link, &s); err != nil {
			return vpn.State{}, err
		}
	}
	err = d.readNetwork(&s, index)
	return s, err
}

func isUp(link netlink.Link) bool { return link.Attrs().Flags&net.FlagUp != 0 }

// readNetwork reads addresses and routes. index is that of the VPN interface, 0
// if there is none.
func (d *Device) readNetwork(s *vpn.State, index int) error {
	if err := errors.Join(d.readAddresses(s, index), d.readRoutes(s, index)); err != nil {
		*s = vpn.State{}
		return err
	}
	return nil
}

// readWireGuard asks the engine, or the kernel's module, which has links of a type of
// its own.
func (d *Device) readWireGuard(ctx context.Context, link netlink.Link, s *vpn.State) (err error) {
	if link.Type() != "wireguard" {
		if s.Exists, err = d.readEngine(ctx, s); s.Exists || err != nil {
			d.inKernel.Store(new(bool))
			return err
		}
	}
	dev, err := d.wireguard(ctx)
	if dev == nil || err != nil {
		return err
	}
	s.Exists, s.PublicKey, s.ListenPort = true, dev.PublicKey, dev.ListenPort
	s.Peers = make([]vpn.Peer, 0, len(dev.Peers))
	for i := range dev.Peers {
		s.Peers = append(s.Peers, peer(&dev.Peers[i]))
	}
	return nil
}

func peer(p *wgtypes.Peer) vpn.Peer {
	out := vpn.Peer{
		Key:           p.PublicKey,
		Keepalive:     p.PersistentKeepaliveInterval,
		LastHandshake: p.LastHandshakeTime,
		Received:      p.ReceiveBytes,
		Sent:          p.TransmitBytes,
		AllowedIPs:    make([]netip.Prefix, 0, len(p.AllowedIPs)),
	}
	if p.Endpoint != nil {
		e := p.Endpoint.AddrPort()
		out.Endpoint = netip.AddrPortFrom(e.Addr().Unmap(), e.Port())
	}
	for _, ip := range p.AllowedIPs {
		if prefix, ok := prefix(&ip); ok {
			out.AllowedIPs = append(out.AllowedIPs, prefix)
		}
	}
	slices.SortFunc(out.AllowedIPs, netip.Prefix.Compare)
	return out
}

// readAddresses reads the addresses of all interfaces.
func (d *Device) readAddresses(s *vpn.State, index int) error {
	addrs, err := dump(func() ([]netlink.Addr, error) { return d.rt.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		own, ok := prefix(a.IPNet)
		if !ok {
			continue
		}
		s.Host = append(s.Host, own.Addr())
		if a.LinkIndex == index {
			s.Addresses = append(s.Addresses, own)
		} else if network := connected(a, own); network.Bits() > 0 && !own.Addr().IsLoopback() && a.LinkIndex != loopbackIndex {
			s.Networks = append(s.Networks, network)
		}
	}
	slices.SortFunc(s.Networks, netip.Prefix.Compare)
	s.Networks = slices.Compact(s.Networks)
	return nil
}

// loopbackIndex is the index of lo, the first interface of every namespace.
const loopbackIndex = 1

// connected returns the network that an address makes reachable directly: the
// other side's, on a point-to-point link.
func connected(a netlink.Addr, own netip.Prefix) netip.Prefix {
	if other, ok := prefix(a.Peer); ok {
		return other.Masked()
	}
	return own.Masked()
}

// dump repeats a listing that was disturbed by a change: it may lack entries.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	var items []T
	var err error
	for range dumpAttempts {
		items, err = list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return items, err
}

// prefix converts what the net package and netlink use.
func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr.Unmap(), ones), true
}
