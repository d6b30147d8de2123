package vpn_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

const adminConf = `# made by hand
[interface]
PostUp = iptables -A INPUT -i %i -j ACCEPT # why not
  MTU=1380
Address = 10.5.4.1/24, fd00::1/64
DNS = 1.1.1.1, example.com
address = 172.16.0.1/32

; not a comment for wg, but kept
FutureKey = yes

# my laptop
[Peer]
PublicKey = LAPTOP
PresharedKey = LAPTOP # secret
AllowedIPs = 172.16.0.2/32
Endpoint = laptop.example.com:1

[Peer]
# the office
PublicKey = KEY2
PresharedKey = LAPTOP
AllowedIPs = 10.5.4.2/32,192.168.2.10/32
[Peer]
PublicKey = KEY5
AllowedIPs = 10.5.4.5/32
[Whatever]
x
`

func withKeys(conf string) []byte {
	return []byte(strings.NewReplacer("LAPTOP", key(9).String(), "KEY2", key(2).String(), "KEY3", key(3).String(),
		"KEY5", key(5).String(), "KEY1", key(1).String()).Replace(conf))
}

func confPeer(id int, ips ...string) vpn.ConfPeer {
	return vpn.ConfPeer{Node: id, Key: key(id), AllowedIPs: prefixes(ips...), Keepalive: vpn.Keepalive}
}

func TestConfKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{adminConf, "", "\n\n", "[Peer]", "x\n[Interface]\n# c", "#a\n#b\n[Peer]\n#c\n\n#d\n[Peer]\n"} {
		want := text
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if got := vpn.ParseConf([]byte(text)).Bytes(); string(got) != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestConfEdit(t *testing.T) {
	t.Parallel()
	c := vpn.ParseConf(withKeys(adminConf))
	c.SetAddress(addr("10.5.4.7"), network)
	c.SetListenPort(55820)
	c.SetPrivateKey(key(1)) // any key does
	office := confPeer(2, "192.168.2.10", "10.5.4.2")
	office.Endpoint = addrPort("[2001:db8::2]:55820")
	c.SetPeers([]vpn.ConfPeer{confPeer(3), office}, vpn.NewKeys(key(2), key(3), key(5)))
	c.SetUnrouted(prefixes("192.168.2.10"))

	want := withKeys(`# made by hand
[interface]
PostUp = iptables -A INPUT -i %i -j ACCEPT # why not
  MTU=1380
Address = 10.5.4.7/32
Address = fd00::1/64
Address = 172.16.0.1/32
DNS = 1.1.1.1, example.com

; not a comment for wg, but kept
FutureKey = yes
ListenPort = 55820
PrivateKey = KEY1
PostUp = ip route del 192.168.2.10/32 dev %i || true

[Peer]
# node 2
# the office
PublicKey = KEY2
PresharedKey = LAPTOP
AllowedIPs = 10.5.4.2/32,192.168.2.10/32
Endpoint = [2001:db8::2]:55820
PersistentKeepalive = 25

[Peer]
# node 3
PublicKey = KEY3
PersistentKeepalive = 25

# my laptop
[Peer]
PublicKey = LAPTOP
PresharedKey = LAPTOP # secret
AllowedIPs = 172.16.0.2/32
Endpoint = laptop.example.com:1

[Whatever]
x
`)
	if got := c.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	peers := c.Peers()
	if len(peers) != 3 || peers[0].Node != 2 || peers[0].Endpoint != office.Endpoint || peers[0].Keepalive != vpn.Keepalive ||
		!slices.Equal(peers[0].AllowedIPs, prefixes("10.5.4.2", "192.168.2.10")) || peers[2].Key != key(9) {
		t.Errorf("peers %+v", peers)
	}
	if k, ok := c.PrivateKey(); !ok || k != key(1) || c.ListenPort() != 55820 {
		t.Errorf("key %v, %v, port %d", k, ok, c.ListenPort())
	}

	again := vpn.ParseConf(want)
	again.SetAddress(addr("10.5.4.7"), network)
	again.SetPeers([]vpn.ConfPeer{office, confPeer(3)}, vpn.NewKeys())
	again.SetUnrouted(prefixes("192.168.2.10"))
	if got := again.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("a second time:\n%s", got)
	}
	again.SetUnrouted(nil)
	if values := again.Interface("postup"); !slices.Equal(values, []string{"iptables -A INPUT -i %i -j ACCEPT"}) {
		t.Errorf("PostUp %q", values)
	}
}

func TestConfFromNothing(t *testing.T) {
	t.Parallel()
	c := vpn.ParseConf(nil)
	c.SetAddress(addr("10.5.4.1"), network)
	c.SetListenPort(55820)
	c.SetPrivateKey(key(1))
	c.SetPeers([]vpn.ConfPeer{confPeer(2, "10.5.4.2")}, nil)
	want := withKeys(`[Interface]
Address = 10.5.4.1/32
ListenPort = 55820
PrivateKey = KEY1

[Peer]
# node 2
PublicKey = KEY2
AllowedIPs = 10.5.4.2/32
PersistentKeepalive = 25

`)
	if got := c.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("got:\n%s", got)
	}
}

func TestConfBadKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[Interface]", "[Interface]\nPrivateKey = x", "[Interface]\nPrivateKey = " + wgtypes.Key{}.String(), "[Interface]\nListenPort = 99999999"} {
		c := vpn.ParseConf([]byte(text))
		if _, ok := c.PrivateKey(); ok || c.ListenPort() != 0 {
			t.Errorf("%q: key %v, port %d", text, ok, c.ListenPort())
		}
	}
}

func TestSaveConf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "wireguard", "wg0.conf")
	c := vpn.ParseConf([]byte("[Interface]\n"))
	for i, want := range []bool{true, false} {
		changed, err := vpn.SaveConf(path, c)
		if err != nil || changed != want {
			t.Fatalf("time %d: changed %v, %v", i+1, changed, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := vpn.SaveConf(path, c); err != nil || !changed {
		t.Errorf("readable by all and left so: %v, %v", changed, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left over: %v, %v", files, err)
	}
}

func FuzzParseConf(f *testing.F) {
	f.Add(withKeys(adminConf))
	f.Add([]byte("[Interface]\r\nAddress=1\r\n[Peer"))
	f.Add([]byte("#\n[peer]\nPublicKey\n#\n# node 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := vpn.ParseConf(data)
		plain := regexp.MustCompile(`\r+(\n|$)`).ReplaceAllString(string(data), "$1")
		if got := string(c.Bytes()); got != plain && got != plain+"\n" {
			t.Fatalf("%q became %q", plain, got)
		}
		edit := func(c *vpn.Conf) []byte {
			c.SetAddress(addr("10.5.4.1"), network)
			c.SetListenPort(55820)
			c.SetPrivateKey(key(1))
			c.SetPeers([]vpn.ConfPeer{confPeer(2, "10.5.4.2"), confPeer(3)}, vpn.NewKeys(key(5)))
			c.SetUnrouted(prefixes("192.168.2.10"))
			return c.Bytes()
		}
		once := edit(&c)
		again := vpn.ParseConf(once)
		if twice := edit(&again); !bytes.Equal(once, twice) {
			t.Fatalf("an edit made twice is not the same:\n%q\n%q", once, twice)
		}
	})
}
