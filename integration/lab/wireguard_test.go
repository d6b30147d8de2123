package lab

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseDump(t *testing.T) {
	t.Parallel()
	const dump = "PRIVATE\tPUBLIC\t55820\toff\n" +
		"KEY2\t(none)\t203.0.113.2:55820\t10.5.4.12/32,10.5.4.2/32\t1700000000\t148\t92\t25\n" +
		"KEY3\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
	got, err := parseDump(dump)
	if err != nil {
		t.Fatal(err)
	}
	want := Device{Key: "PUBLIC", Port: 55820, Peers: []Peer{
		{
			Key: "KEY2", Endpoint: "203.0.113.2:55820", AllowedIPs: []string{"10.5.4.2/32", "10.5.4.12/32"},
			Handshake: time.Unix(1700000000, 0), Keepalive: 25,
		},
		{Key: "KEY3"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseDumpRefuses(t *testing.T) {
	t.Parallel()
	for name, dump := range map[string]string{
		"nothing":        "",
		"port":           "PRIVATE\tPUBLIC\tmany\toff\n",
		"a short peer":   "PRIVATE\tPUBLIC\t1\toff\nKEY\t(none)\n",
		"a bad instant":  "PRIVATE\tPUBLIC\t1\toff\nKEY\t(none)\t(none)\t(none)\tnow\t0\t0\toff\n",
		"bad keepalives": "PRIVATE\tPUBLIC\t1\toff\nKEY\t(none)\t(none)\t(none)\t0\t0\t0\ton\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := parseDump(dump); err == nil {
				t.Errorf("accepted: %+v", got)
			}
		})
	}
}

func TestParseConf(t *testing.T) {
	t.Parallel()
	const conf = `[Interface]
Address = 10.5.4.2/24 # ours
ListenPort=55820
PrivateKey = X=
PostUp = echo a = b

[Peer]
PublicKey = KEY1=
AllowedIPs = 10.5.4.3/32, 10.5.4.1/32
AllowedIPs = 10.5.4.20/32
Endpoint = [2001:db8:1::1]:55820
PersistentKeepalive = 25

[Peer]
# nothing known
PublicKey = KEY2=
PersistentKeepalive = off
`
	got, err := parseConf(conf)
	if err != nil {
		t.Fatal(err)
	}
	want := Device{Port: 55820, Peers: []Peer{
		{
			Key: "KEY1=", Endpoint: "[2001:db8:1::1]:55820", Keepalive: 25,
			AllowedIPs: []string{"10.5.4.1/32", "10.5.4.3/32", "10.5.4.20/32"},
		},
		{Key: "KEY2="},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parseConf("PublicKey = X\n"); err == nil {
		t.Error("a line outside of all sections was accepted")
	}
}
