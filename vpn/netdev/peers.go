package netdev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// A kernel request holds so much. wgctrl would split a larger one into a
// request for each peer.
const (
	requestPeers = 32
	requestIPs   = 256
)

// applyPeers makes all changes of peers in one request (to the kernel's module
// in as few as its messages allow). If it is refused, the changes are made one
// by one, so that one that cannot be made costs only itself.
func (d *Device) applyPeers(ctx context.Context, changes []vpn.PeerChange) error {
	if len(changes) == 0 {
		return nil
	}
	psk, err := d.beforePeers(ctx, changes)
	if err != nil {
		return err
	}
	all := configs(changes, psk)
	requests := [][]wgtypes.PeerConfig{all}
	if *d.inKernel.Load() {
		requests = split(all)
	}
	if d.configure(ctx, requests) == nil {
		return nil
	}
	var errs []error
	for _, c := range changes {
		if err := d.configure(ctx, split(configs([]vpn.PeerChange{c}, psk))); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	return errors.Join(errs...)
}

// beforePeers reads what the changes need to know and no State has told: whether
// the kernel's module serves the interface, and the preshared keys of peers that are
// to be renewed.
func (d *Device) beforePeers(ctx context.Context, changes []vpn.PeerChange) (map[wgtypes.Key]wgtypes.Key, error) {
	renewed := make(map[wgtypes.Key]bool)
	for _, c := range changes {
		if c.Do == vpn.RenewPeer {
			renewed[c.Key] = true
		}
	}
	if d.inKernel.Load() != nil && len(renewed) == 0 {
		return nil, nil // one peer more takes no longer among many
	}
	dev, err := d.wireguard(ctx)
	if err != nil {
		return nil, err
	}
	if dev == nil {
		return nil, fmt.Errorf("change peers of %s: no WireGuard engine serves it", d.name)
	}
	psk := make(map[wgtypes.Key]wgtypes.Key)
	for i := range dev.Peers {
		if p := &dev.Peers[i]; renewed[p.PublicKey] {
			psk[p.PublicKey] = p.PresharedKey
		}
	}
	return psk, nil
}

func (d *Device) configure(ctx context.Context, requests [][]wgtypes.PeerConfig) error {
	return withClient(ctx, func(c *wgctrl.Client) error {
		for _, peers := range requests {
			if err := c.ConfigureDevice(d.name, wgtypes.Config{Peers: peers}); err != nil {
				return err
			}
		}
		return nil
	})
}

// configs converts changes. An allowed IP that a peer loses to nobody is given
// to the scratch peer, which then goes: see vpn.ScratchKey.
func configs(changes []vpn.PeerChange, psk map[wgtypes.Key]wgtypes.Key) []wgtypes.PeerConfig {
	var out []wgtypes.PeerConfig
	var lost []net.IPNet
	for _, c := range changes {
		if c.Do == vpn.RemovePeer || c.Do == vpn.RenewPeer {
			out = append(out, wgtypes.PeerConfig{PublicKey: c.Key, Remove: true})
		}
		if c.Do == vpn.RemovePeer {
			continue
		}
		lost = append(lost, ipNets(c.Lose)...)
		if cfg := config(c); c.Do != vpn.SetPeer || cfg.Endpoint != nil || c.SetKeepalive || len(cfg.AllowedIPs) > 0 {
			if key, ok := psk[c.Key]; ok && key != (wgtypes.Key{}) {
				cfg.PresharedKey = &key
			}
			out = append(out, cfg)
		}
	}
	if len(lost) > 0 {
		out = append(out,
			wgtypes.PeerConfig{PublicKey: vpn.ScratchKey(), AllowedIPs: lost},
			wgtypes.PeerConfig{PublicKey: vpn.ScratchKey(), Remove: true})
	}
	return out
}

func config(c vpn.PeerChange) wgtypes.PeerConfig {
	cfg := wgtypes.PeerConfig{
		PublicKey:  c.Key,
		UpdateOnly: c.Do == vpn.SetPeer, // a peer that somebody has just removed does not come back half
		AllowedIPs: ipNets(c.Gain),
	}
	if c.Endpoint.IsValid() {
		cfg.Endpoint = net.UDPAddrFromAddrPort(c.Endpoint)
	}
	if c.SetKeepalive {
		cfg.PersistentKeepaliveInterval = &c.Keepalive
	}
	return cfg
}

func ipNets(prefixes []netip.Prefix) []net.IPNet {
	out := make([]net.IPNet, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, *ipNet(p))
	}
	return out
}

// split cuts a list of peers into requests of the size that fits into a
// message. A single peer with more allowed IPs is left to wgctrl, which splits
// it rightly if it comes alone.
func split(peers []wgtypes.PeerConfig) [][]wgtypes.PeerConfig {
	var requests [][]wgtypes.PeerConfig
	start, ips := 0, 0
	for i, p := range peers {
		if i > start && (i-start == requestPeers || ips+len(p.AllowedIPs) > requestIPs) {
			requests = append(requests, peers[start:i])
			start, ips = i, 0
		}
		ips += len(p.AllowedIPs)
	}
	return append(requests, peers[start:])
}
