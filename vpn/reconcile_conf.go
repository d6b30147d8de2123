package vpn

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
)

// DefaultPort is the UDP port of the VPN.
const DefaultPort = 55820

// confFile is the file of wg-quick as it was read.
type confFile struct {
	Conf
	text string
	info fs.FileInfo // nil: there is no file
}

// loadConf reads the file of wg-quick; one that does not exist is empty.
func loadConf(path string) (_ confFile, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return confFile{Conf: parseConf("")}, nil
	}
	if err != nil {
		return confFile{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return confFile{}, err
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	if _, err = io.Copy(&text, f); err != nil {
		return confFile{}, err
	}
	return confFile{Conf: parseConf(text.String()), text: text.String(), info: info}, nil
}

// again returns what the file says now.
func (f confFile) again(path string) (confFile, error) {
	now, err := os.Stat(path)
	if err == nil && f.info != nil && os.SameFile(now, f.info) && now.Size() == f.info.Size() &&
		now.ModTime().Equal(f.info.ModTime()) && now.Mode() == f.info.Mode() {
		return f, nil
	}
	return loadConf(path)
}

// private says whether the file is there, and nobody else may read it.
func (f confFile) private() bool { return f.info != nil && f.info.Mode().Perm()&0o077 == 0 }

// saveConf brings the file to what is wanted, if it differs.
func (r *run) saveConf() {
	file, err := r.file.again(r.ConfPath)
	r.file = confFile{} // what follows may change it
	if r.fail("read the interface's file", err) {
		return
	}
	conf := file.Conf
	if file.info != r.fileWas {
		r.inFile, r.fileWas = file.endpoints(), file.info // somebody has changed the file meanwhile
	}
	conf.mend()
	if r.fail("complete the interface's file", r.setInterface(&conf)) {
		return
	}
	r.setPeers(&conf, false)
	if file.private() && r.now.Exists && conf.reads(file.text) {
		return
	}
	if !r.now.Exists || !conf.hasLines(file.text) {
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
	peers := make([]ConfPeer, 0, len(r.want.Peers))
	var unrouted, inside []netip.Prefix
	endpoints := r.endpoints(learnt)
	for _, w := range r.want.Peers {
		peers = append(peers, ConfPeer{
			Node: w.Node, Key: w.Key, AllowedIPs: w.AllowedIPs, Keepalive: w.Keepalive, Endpoint: endpoints(w),
		})
		for _, ip := range w.AllowedIPs {
			if _, routed := slices.BinarySearchFunc(r.want.Routes, ip, comparePrefix); !routed {
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

// endpoints chooses the file's endpoints: the configured one, or for a peer whose
// record gives none, the one in the file, or the learnt one if there is one and it is
// asked for. None of the latter is ever in the tunnel: inside the cluster network, or
// where a peer was once, and what has that address now is behind a node. wg-quick
// would send the handshakes into the tunnel that they are to make.
func (r *run) endpoints(learnt bool) func(DesiredPeer) netip.AddrPort {
	var peers PeerIndex
	if learnt {
		peers = r.now.ByKey()
	}
	tunnel := sync.OnceValue(r.tunnel)
	return func(w DesiredPeer) netip.AddrPort {
		if w.Configured.IsValid() {
			return w.Configured
		}
		endpoint := r.inFile[w.Key]
		if learnt {
			p, _ := peers.Get(w.Key)
			endpoint = r.learnt(p, w, endpoint)
		}
		if !endpoint.IsValid() || r.cluster.Network.Contains(endpoint.Addr()) || tunnel()[host(endpoint.Addr())] {
			return netip.AddrPort{}
		}
		return endpoint
	}
}

// learnt returns where a peer is heard of, or was; otherwise what is given.
func (r *run) learnt(p Peer, w DesiredPeer, otherwise netip.AddrPort) netip.AddrPort {
	if p.Endpoint.IsValid() && !w.Renew {
		return p.Endpoint
	}
	if seen := r.mem.Seen[w.Key]; seen.IsValid() {
		return seen
	}
	return otherwise
}

// tunnel is all that goes to the wanted peers.
func (r *run) tunnel() map[netip.Prefix]bool {
	in := make(map[netip.Prefix]bool)
	for _, w := range r.want.Peers {
		for _, ip := range w.AllowedIPs {
			in[ip] = true
		}
	}
	return in
}
