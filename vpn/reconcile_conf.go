package vpn

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// DefaultPort is the UDP port of the VPN.
const DefaultPort = 55820

// loadConf reads the file of wg-quick; one that does not exist is empty.
func loadConf(path string) (Conf, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Conf{}, err
	}
	return ParseConf(data), nil
}

// saveConf brings the file to what is wanted, if it differs.
func (r *run) saveConf() {
	conf, err := loadConf(r.ConfPath)
	if r.fail("read the interface's file", err) {
		return
	}
	before := string(conf.Bytes())
	conf.mend()
	if r.fail("complete the interface's file", r.setInterface(&conf)) {
		return
	}
	r.setPeers(&conf, false)
	if after := string(conf.Bytes()); after != before || !r.now.Exists {
		// Now that the file is written, or read, anyway, it also gets the addresses at
		// which the other peers were last heard of, so that after a restart this node
		// finds them and need not be found. They alone are not worth a write: they
		// change whenever a peer's NAT box likes.
		r.setPeers(&conf, true)
	}
	saved, err := SaveConf(r.ConfPath, conf)
	r.fail("save the interface's file", err)
	r.report.Saved = r.report.Saved || saved
}

// setInterface completes the [Interface] section. An administrator's values
// stay.
func (r *run) setInterface(conf *Conf) error {
	if _, ok := conf.PrivateKey(); !ok {
		if r.PrivateKey == nil {
			return errors.New("it has no private key")
		}
		key, err := r.PrivateKey()
		if err != nil {
			return fmt.Errorf("read the private key: %w", err)
		}
		conf.SetPrivateKey(key)
	}
	if conf.ListenPort() == 0 {
		port := DefaultPort
		if r.now.ListenPort != 0 {
			port = r.now.ListenPort
		}
		conf.SetListenPort(port)
	}
	if r.want.Address.IsValid() {
		conf.SetAddress(r.want.Address.Addr(), r.cluster.Network)
	}
	return nil
}

// setPeers writes the wanted peers, with endpoints learnt from their packets if
// learnt is set.
func (r *run) setPeers(conf *Conf, learnt bool) {
	inFile := make(map[wgtypes.Key]netip.AddrPort)
	for _, p := range conf.Peers() {
		inFile[p.Key] = p.Endpoint
	}
	routed := make(map[netip.Prefix]bool, len(r.want.Routes))
	for _, dst := range r.want.Routes {
		routed[dst] = true
	}
	peers := make([]ConfPeer, 0, len(r.want.Peers))
	var unrouted, inside []netip.Prefix
	for _, w := range r.want.Peers {
		p := ConfPeer{Node: w.Node, Key: w.Key, AllowedIPs: w.AllowedIPs, Keepalive: w.Keepalive, Endpoint: w.Configured}
		if !p.Endpoint.IsValid() {
			p.Endpoint = r.outside(r.unconfigured(inFile[w.Key], w, learnt))
		}
		peers = append(peers, p)
		for _, ip := range w.AllowedIPs {
			if !routed[ip] {
				unrouted = append(unrouted, ip)
			}
			if r.cluster.Network.Contains(ip.Addr()) {
				inside = append(inside, ip)
			}
		}
	}
	sortPrefixes(unrouted)
	conf.SetPeers(peers, r.want.Ours)
	conf.TakeBack(inside, r.want.Ours)
	conf.SetUnrouted(unrouted)
}

// unconfigured chooses the file's endpoint for a peer whose record gives none:
// the one in the file, or the learnt one if there is one and it is asked for.
func (r *run) unconfigured(inFile netip.AddrPort, w DesiredPeer, learnt bool) netip.AddrPort {
	p, exists := r.now.Peer(w.Key)
	switch seen := r.mem.Seen[w.Key]; {
	case !learnt:
	case exists && p.Endpoint.IsValid() && !w.Renew:
		inFile = p.Endpoint
	case seen.IsValid():
		inFile = seen
	}
	return inFile
}

// outside drops an endpoint that is in the tunnel: inside the cluster network, or
// where a peer was once, and what has that address now is behind a node. wg-quick
// would send the handshakes into the tunnel that they are to make.
func (r *run) outside(endpoint netip.AddrPort) netip.AddrPort {
	inside := r.cluster.Network.Contains(endpoint.Addr())
	for _, w := range r.want.Peers {
		inside = inside || endpoint.IsValid() && slices.Contains(w.AllowedIPs, host(endpoint.Addr()))
	}
	if inside {
		return netip.AddrPort{}
	}
	return endpoint
}
