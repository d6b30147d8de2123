package vpntest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// quickFile is a wg-quick file as wg-quick reads it.
type quickFile struct {
	private   wgtypes.Key
	port      int
	addresses []netip.Prefix
	postUp    []string
	hooks     []string // the lines that wg-quick save takes over
	peers     []vpn.Peer
}

// QuickUp does what wg-quick up does with a file. Like it, it makes nothing if
// there is a line that it does not understand, or a route that cannot be made.
func (s *Sim) QuickUp(file []byte) error {
	f, err := parseQuick(string(file))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Exists {
		return ErrExists
	}
	up := clone(s.state)
	up.Exists, up.Up, up.PublicKey, up.ListenPort = true, true, f.private.PublicKey(), f.port
	for _, a := range f.addresses {
		up.Addresses, up.Host = append(up.Addresses, a), append(up.Host, a.Addr())
	}
	made := &Sim{state: up}
	for _, p := range f.peers {
		made.applyPeer(vpn.PeerChange{
			Key: p.Key, Do: vpn.AddPeer, Endpoint: p.Endpoint, Gain: p.AllowedIPs, Keepalive: p.Keepalive, SetKeepalive: true,
		})
	}
	if err := made.quickRoutes(); err != nil {
		return err
	}
	for _, command := range f.postUp {
		if err := made.hook(command); err != nil {
			return err
		}
	}
	s.state = made.state
	return nil
}

// quickRoutes makes a route for each allowed IP that has none yet.
func (s *Sim) quickRoutes() error {
	var all []netip.Prefix
	for _, p := range s.state.Peers {
		all = append(all, p.AllowedIPs...)
	}
	slices.SortStableFunc(all, func(a, b netip.Prefix) int { return b.Bits() - a.Bits() })
	for _, dst := range all {
		covers := func(r vpn.Route) bool { return r.Dst.Overlaps(dst) && r.Dst.Bits() <= dst.Bits() }
		if slices.ContainsFunc(s.state.Routes, covers) {
			continue
		}
		route := vpn.Route{Dst: dst, Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink}
		if err := s.setRoute(vpn.RouteChange{Route: route}); err != nil {
			return fmt.Errorf("ip route add %v: %w", dst, err)
		}
	}
	return nil
}

// hook runs a command of the file: one that takes a route away, or says something.
func (s *Sim) hook(command string) error {
	command, orTrue := strings.CutSuffix(strings.ReplaceAll(command, " dev %i", ""), " || true")
	text, del := strings.CutPrefix(command, "ip route del ")
	dst, err := netip.ParsePrefix(text)
	switch there := len(s.state.Routes); {
	case strings.HasPrefix(command, "echo "):
		return nil
	case !del || err != nil:
		return fmt.Errorf("command not found: %s", command)
	default:
		s.state.Routes = slices.DeleteFunc(s.state.Routes, func(r vpn.Route) bool { return r.Dst == dst })
		if len(s.state.Routes) == there && !orTrue {
			return fmt.Errorf("%s: no such process", command)
		}
		return nil
	}
}

// QuickDown does what wg-quick down does, or somebody who deletes the interface.
func (s *Sim) QuickDown() {
	s.Change(func(state *vpn.State) {
		for _, a := range state.Addresses {
			state.Host = slices.DeleteFunc(state.Host, func(have netip.Addr) bool { return have == a.Addr() })
		}
		state.Exists, state.Up, state.PublicKey, state.ListenPort = false, false, wgtypes.Key{}, 0
		state.Addresses, state.Peers, state.Routes = nil, nil, nil
	})
}

// QuickSave returns the file as wg-quick save writes it: what the interface has,
// and commands of the old file; no comments.
func (s *Sim) QuickSave(old []byte) ([]byte, error) {
	f, err := parseQuick(string(old))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString("[Interface]\n")
	for _, a := range s.state.Addresses {
		fmt.Fprintf(&b, "Address = %v\n", a)
	}
	for _, line := range f.hooks {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "ListenPort = %d\nPrivateKey = %v\n", s.state.ListenPort, f.private)
	for _, p := range s.state.Peers {
		fmt.Fprintf(&b, "\n[Peer]\nPublicKey = %v\n", p.Key)
		if len(p.AllowedIPs) > 0 {
			fmt.Fprintf(&b, "AllowedIPs = %s\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(p.AllowedIPs), " ", ", "), "[]"))
		}
		if p.Endpoint.IsValid() {
			fmt.Fprintf(&b, "Endpoint = %v\n", p.Endpoint)
		}
		if p.Keepalive > 0 {
			fmt.Fprintf(&b, "PersistentKeepalive = %d\n", int(p.Keepalive.Seconds()))
		}
	}
	return []byte(b.String()), nil
}

// parseQuick reads a file, and refuses what wg-quick and wg refuse.
func parseQuick(text string) (quickFile, error) {
	var f quickFile
	section := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.HasPrefix(line, "[") {
			if section = strings.ToLower(line); section == "[peer]" {
				f.peers = append(f.peers, vpn.Peer{})
			}
			continue
		}
		if err := f.line(section, line); err != nil {
			return f, fmt.Errorf("line unrecognized: %q: %w", line, err)
		}
	}
	if f.private == (wgtypes.Key{}) {
		return f, errors.New("no private key")
	}
	if slices.ContainsFunc(f.peers, func(p vpn.Peer) bool { return p.Key == wgtypes.Key{} }) {
		return f, errors.New("a peer is missing a public key")
	}
	return f, nil
}

func (f *quickFile) line(section, line string) error {
	key, value, found := strings.Cut(line, "=")
	key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
	switch {
	case !found:
		return errors.New("no value")
	case section == "[interface]":
		return f.ofInterface(key, value, line)
	case section == "[peer]":
		return ofPeer(&f.peers[len(f.peers)-1], key, value)
	default:
		return errors.New("in no section")
	}
}

func (f *quickFile) ofInterface(key, value, line string) (err error) {
	switch key {
	case "privatekey":
		f.private, err = wgtypes.ParseKey(value)
	case "listenport":
		f.port, err = strconv.Atoi(value)
	case "address":
		var more []netip.Prefix
		more, err = quickPrefixes(value)
		f.addresses = append(f.addresses, more...)
	case "postup":
		f.postUp = append(f.postUp, value)
		f.hooks = append(f.hooks, line)
	case "mtu", "dns", "table", "preup", "predown", "postdown", "saveconfig":
		f.hooks = append(f.hooks, line)
	default:
		err = errors.New("no such key")
	}
	return err
}

func ofPeer(p *vpn.Peer, key, value string) (err error) {
	switch key {
	case "publickey":
		p.Key, err = wgtypes.ParseKey(value)
	case "presharedkey":
		_, err = wgtypes.ParseKey(value)
	case "allowedips":
		var more []netip.Prefix
		more, err = quickPrefixes(value)
		p.AllowedIPs = append(p.AllowedIPs, more...)
	case "endpoint":
		p.Endpoint, err = netip.ParseAddrPort(value)
	case "persistentkeepalive":
		var seconds int
		seconds, err = strconv.Atoi(value)
		p.Keepalive = time.Duration(seconds) * time.Second
	default:
		err = errors.New("no such key")
	}
	return err
}

func quickPrefixes(value string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for text := range strings.SplitSeq(value, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "/") {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, err
			}
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}
