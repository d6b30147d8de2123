package vpn_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

var (
	now     = time.Unix(1_700_000_000, 0)
	network = netip.MustParsePrefix("10.5.4.0/24")
)

func addr(text string) netip.Addr         { return netip.MustParseAddr(text) }
func addrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func key(n int) wgtypes.Key {
	if n < len(manyKeys()) {
		return manyKeys()[n]
	}
	return vpntest.Key(n)
}

// manyKeys are keys by number; to make one takes time.
var manyKeys = sync.OnceValue(func() []wgtypes.Key {
	keys := make([]wgtypes.Key, 30)
	for n := range keys {
		keys[n] = vpntest.Key(n)
	}
	return keys
})

// names of keys, for people.
var keyNames = sync.OnceValue(func() *strings.Replacer {
	pairs := make([]string, 0, 4*len(manyKeys()))
	for n, k := range manyKeys() {
		pairs = append(pairs, k.String(), fmt.Sprintf("key%d", n), fmt.Sprint([wgtypes.KeyLen]byte(k)), fmt.Sprintf("key%d", n))
	}
	return strings.NewReplacer(pairs...)
})

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a := addr(text)
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p)
	}
	return out
}

// node returns the record of node id, with its usual key and address.
func node(id int, endpoint string, destinations ...string) vpn.Node {
	n := vpn.Node{ID: id, PublicKey: key(id), Address: addr(fmt.Sprintf("10.5.4.%d", id)), Endpoint: endpoint}
	for _, d := range destinations {
		n.Destinations = append(n.Destinations, addr(d))
	}
	return n
}

// star is a cluster of four: 1 and 3 have endpoints, 2 and 4 have machines
// behind them.
func star(self int) vpn.Cluster {
	return vpn.Cluster{Self: self, Leader: 1, Network: network, Nodes: []vpn.Node{
		node(1, "198.51.100.1:55820"),
		node(2, "", "192.168.2.10", "2001:db8:2::10"),
		node(3, "198.51.100.3:55820"),
		node(4, "", "192.168.4.10"),
	}}
}

// hostOf is the host of node id: wg0 is up and empty.
func hostOf(id int) vpn.State {
	own := prefixes(fmt.Sprintf("10.5.4.%d", id))
	return vpn.State{
		Time: now, Exists: true, Up: true, PublicKey: key(id), Addresses: own,
		Networks: prefixes("203.0.113.0/24"),
		Host:     []netip.Addr{addr("127.0.0.1"), addr("203.0.113.77"), own[0].Addr()},
	}
}

func peer(n int, ips ...string) vpn.Peer {
	return vpn.Peer{Key: key(n), Keepalive: vpn.Keepalive, AllowedIPs: prefixes(ips...)}
}

// met is the peer after a handshake.
func met(p vpn.Peer) vpn.Peer {
	p.LastHandshake = now
	return p
}

func routes(texts ...string) []vpn.Route {
	out := make([]vpn.Route, 0, len(texts))
	for _, dst := range prefixes(texts...) {
		out = append(out, vpn.Route{Dst: dst, Protocol: vpn.RouteProtocol, Scope: vpn.ScopeLink})
	}
	return out
}

func quickRoutes(texts ...string) []vpn.Route {
	out := routes(texts...)
	for i := range out {
		out[i].Protocol = vpn.ProtocolBoot
	}
	return out
}

// resolve resolves endpoints that are all literal addresses.
func resolve(t *testing.T, c vpn.Cluster, s vpn.State) vpn.Resolved {
	t.Helper()
	found, _ := vpn.Resolve(t.Context(), vpntest.Names{}, c, s)
	return found
}

// readable replaces keys by key1, key2… and the words for single addresses.
func readable(text string) string {
	return singleBits.ReplaceAllString(keyNames().Replace(text), "")
}

var singleBits = regexp.MustCompile(`(/32|/128)\b`)

func warningTexts(warnings []vpn.Warning) string {
	lines := make([]string, 0, len(warnings))
	for _, w := range warnings {
		lines = append(lines, w.String())
	}
	return readable(strings.Join(lines, "\n"))
}

// sameText compares texts of several lines, whatever their indentation in the
// test's source.
func sameText(t *testing.T, what, got, want string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if want := strings.Join(lines, "\n"); got != want {
		t.Errorf("%s:\n%s\n\nwant:\n%s", what, got, want)
	}
}
