package vpn_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want vpn.Endpoint
		err  string
	}{
		{text: "node3.example.com:55820", want: vpn.Endpoint{Host: "node3.example.com", Port: 55820}},
		{text: "198.51.100.3:1", want: vpn.Endpoint{Host: "198.51.100.3", Addr: addr("198.51.100.3"), Port: 1}},
		{text: "[2001:db8::1]:65535", want: vpn.Endpoint{Host: "2001:db8::1", Addr: addr("2001:db8::1"), Port: 65535}},
		{text: "[::ffff:198.51.100.3]:9", want: vpn.Endpoint{Host: "::ffff:198.51.100.3", Addr: addr("198.51.100.3"), Port: 9}},
		{text: "node3.example.com", err: "missing port"},
		{text: "198.51.100.3", err: "missing port"},
		{text: "2001:db8::1", err: "missing port (IPv6 addresses are written [address]:port)"},
		{text: "[2001:db8::1]", err: "missing port"},
		{text: "2001:db8::1:55820", err: "too many colons"},
		{text: "2001:db8::1:5582", err: "missing port (IPv6 addresses are written [address]:port)"},
		{text: "node3:", err: `bad port ""`},
		{text: "node3:0", err: `bad port "0"`},
		{text: "node3:65536", err: `bad port "65536"`},
		{text: "node3:http", err: `bad port "http"`},
		{text: ":55820", err: "missing host"},
		{text: "a:b:c", err: "too many colons"},
		{text: "no de:1", err: `bad character ' ' in host name`},
		{text: "0.0.0.0:1", err: "not the address of a machine"},
		{text: strings.Repeat("a", 254) + ":1", err: "host name too long"},
	} {
		got, err := vpn.ParseEndpoint(c.text)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %+v, %v", c.text, got, err)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%q: error %v, want %s", c.text, err, c.err)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, text := range []string{"node3:55820", "[2001:db8::1]:1", "::1", "[::1", "a:b:c", "%:1", "[fe80::1%eth0]:2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := vpn.ParseEndpoint(text)
		if err != nil {
			return
		}
		if e.Port == 0 || e.Host == "" || !strings.Contains(text, e.Host) {
			t.Errorf("%q: %+v", text, e)
		}
		if _, err := netip.ParseAddr(e.Host); (err == nil) != e.Addr.IsValid() {
			t.Errorf("%q: %+v", text, e)
		}
	})
}

func TestResolve(t *testing.T) {
	t.Parallel()
	names := vpntest.Names{
		"both.example.com":   {addr("2001:db8::3"), addr("198.51.100.3"), addr("198.51.100.2")},
		"six.example.com":    {addr("2001:db8::3")},
		"inside.example.com": {addr("10.5.4.9")},
	}
	six := prefixes("2001:db8:1::/64")
	for _, c := range []struct {
		name, endpoint string
		have           func(s *vpn.State)
		want           string
		warning        string
	}{
		{name: "IPv4 first", endpoint: "both.example.com:1", want: "198.51.100.2:1"},
		{name: "IPv6 on a host with nothing else", endpoint: "both.example.com:1", have: func(s *vpn.State) { s.Networks = six }, want: "[2001:db8::3]:1"},
		{name: "IPv6 all the same", endpoint: "six.example.com:1", want: "[2001:db8::3]:1"},
		{name: "a literal", endpoint: "[2001:db8::4]:2", want: "[2001:db8::4]:2"},
		{
			name: "the one in use stays", endpoint: "both.example.com:1", want: "198.51.100.3:1",
			have: func(s *vpn.State) { s.Peers = []vpn.Peer{{Key: key(3), Endpoint: addrPort("198.51.100.3:7")}} },
		},
		{
			name: "the one in use is gone", endpoint: "both.example.com:1", want: "198.51.100.2:1",
			have: func(s *vpn.State) { s.Peers = []vpn.Peer{{Key: key(3), Endpoint: addrPort("198.51.100.9:1")}} },
		},
		{name: "no endpoint"},
		{name: "no such name", endpoint: "nowhere.example.com:1", warning: `node 3: endpoint "nowhere.example.com:1": look up name: lookup nowhere.example.com: no such host`},
		{name: "no port", endpoint: "node3", warning: `node 3: endpoint "node3": missing port`},
		{name: "inside the tunnel", endpoint: "inside.example.com:1", warning: `node 3: endpoint "inside.example.com:1": address inside the cluster network 10.5.4.0/24`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			have := hostOf(1)
			if c.have != nil {
				c.have(&have)
			}
			found, warnings := vpn.Resolve(t.Context(), names, hub(node(3, c.endpoint)), have)
			got := ""
			if e := found[3].Endpoint; e.IsValid() {
				got = e.String()
			}
			if got != c.want || warningTexts(warnings) != c.warning {
				t.Errorf("%s, warnings %q", got, warningTexts(warnings))
			}
		})
	}
}

// A worker looks up only those it will be a peer of; rubbish is named anyway.
func TestResolveOnWorker(t *testing.T) {
	t.Parallel()
	c := star(2)
	c.Candidates = []int{4}
	c.Nodes = append(c.Nodes, node(5, "rubbish"))
	c.Nodes[3].Endpoint = "198.51.100.4:1"
	found, warnings := vpn.Resolve(t.Context(), vpntest.Names{}, c, hostOf(2))
	if len(found) != 2 || !found[1].Endpoint.IsValid() || !found[4].Endpoint.IsValid() {
		t.Errorf("found %+v", found)
	}
	sameText(t, "warnings", warningTexts(warnings), `node 5: endpoint "rubbish": missing port`)
}

// A name server that is down costs its time once, not once a name.
func TestResolveHangingNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		names := vpntest.Names{"good.example.com": {addr("198.51.100.1")}}
		c := hub(node(2, "good.example.com:1"))
		for id := 3; id < 60; id++ {
			host := strings.Repeat("x", id) + ".example.com"
			names[host] = nil
			c.Nodes = append(c.Nodes, node(id, host+":1"))
		}
		start := time.Now()
		found, warnings := vpn.Resolve(t.Context(), names, c, hostOf(1))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		if len(found) != 1 || len(warnings) != 57 {
			t.Errorf("found %v, %d warnings", found, len(warnings))
		}
	})
}

type failingNames struct{}

func (failingNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("server misbehaving")
}

// Hazards 1 and 4, and roaming: when an endpoint is set, and when it is left.
func TestEndpointIsSetOrLeft(t *testing.T) {
	t.Parallel()
	const at, elsewhere, configured = "198.51.100.9:55820", "198.51.100.8:55820", "198.51.100.3:55820"
	for _, c := range []struct {
		name     string
		record   string
		seen     string        // the kernel's
		age      time.Duration // of the handshake; 0: none
		earlier  string        // what was set last
		resolver vpn.Resolver
		want     string // what is set now
		conf     string // what the file gets
	}{
		{name: "new peer", record: configured, want: configured, conf: configured},
		{name: "as configured", record: configured, seen: configured, conf: configured},
		{name: "silent elsewhere", record: configured, seen: at, want: configured, conf: configured},
		{name: "stale elsewhere", record: configured, seen: at, age: 136 * time.Second, earlier: configured, want: configured, conf: configured},
		{name: "roamed and alive", record: configured, seen: at, age: 10 * time.Second, earlier: configured, conf: configured},
		{name: "alive, nothing known of earlier settings", record: configured, seen: at, age: 10 * time.Second, conf: configured},
		{name: "alive, but the setting is new", record: configured, seen: at, age: 10 * time.Second, earlier: elsewhere, want: configured, conf: configured},
		{name: "no endpoint in the record", seen: at, age: time.Hour, earlier: elsewhere},
		{name: "unresolvable: the peer keeps what it has", record: "n:1", seen: at, earlier: elsewhere, resolver: failingNames{}, conf: elsewhere},
		{name: "unresolvable, new peer: what was known earlier", record: "n:1", earlier: elsewhere, resolver: failingNames{}, want: elsewhere, conf: elsewhere},
		{name: "unresolvable, nothing known", record: "n:1", resolver: failingNames{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			have, mem := hostOf(1), vpn.Memory{}
			if c.seen != "" {
				have.Peers = []vpn.Peer{{Key: key(3), Endpoint: addrPort(c.seen)}}
			}
			if c.age != 0 {
				have.Peers[0].LastHandshake = now.Add(-c.age)
			}
			if c.earlier != "" {
				mem.Endpoints = map[wgtypes.Key]netip.AddrPort{key(3): addrPort(c.earlier)}
			}
			if c.resolver == nil {
				c.resolver = vpntest.Names{}
			}
			cluster := hub(node(3, c.record))
			found, _ := vpn.Resolve(t.Context(), c.resolver, cluster, have)
			want, _ := vpn.Want(cluster, mem, have, found)
			if p := want.Peers[0]; text(p.Endpoint) != c.want || text(p.Configured) != c.conf {
				t.Errorf("set %v, file %v", p.Endpoint, p.Configured)
			}
		})
	}
}

func text(e netip.AddrPort) string {
	if !e.IsValid() {
		return ""
	}
	return e.String()
}
