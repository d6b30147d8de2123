package vpn_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// record is one with these fields.
func record(fields map[string]string) vpn.Record {
	return vpn.Record{
		PublicKey: fields["public_key"], Address: fields["ip_address"],
		Destinations: fields["destinations"], Endpoint: fields["endpoint"],
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"public_key": key(3).String(), "ip_address": "10.5.4.3",
		"destinations": "192.168.3.1  2001:db8::1", "endpoint": " node3.example.com:55820 ",
	}
	n, warnings := record(good).Node(3)
	want := node(3, "node3.example.com:55820", "192.168.3.1", "2001:db8::1")
	if len(warnings) != 0 || n.PublicKey != want.PublicKey || n.Address != want.Address || n.Endpoint != want.Endpoint || !slices.Equal(n.Destinations, want.Destinations) {
		t.Errorf("%+v, %v", n, warnings)
	}

	n, warnings = record(map[string]string{
		"public_key": "rubbish", "ip_address": "10.5.4", "endpoint": "::",
		"destinations": "192.168.3.0/24 192.168.3.1 ::ffff:192.168.3.2 0.0.0.0 127.0.0.1 224.0.0.1 fe80::1 255.255.255.255 x",
	}).Node(3)
	sameText(t, "warnings", warningTexts(warnings), `
		node 3: public_key "rubbish": not a WireGuard key
		node 3: ip_address "10.5.4": not an IP address
		node 3: destination "192.168.3.0/24": not an IP address
		node 3: destination "0.0.0.0": not the address of a machine
		node 3: destination "127.0.0.1": not the address of a machine
		node 3: destination "224.0.0.1": not the address of a machine
		node 3: destination "fe80::1": not the address of a machine
		node 3: destination "255.255.255.255": not the address of a machine
		node 3: destination "x": not an IP address`)
	if n.PublicKey != (wgtypes.Key{}) || n.Address.IsValid() || !slices.Equal(n.Destinations, []netip.Addr{addr("192.168.3.1"), addr("192.168.3.2")}) {
		t.Errorf("%+v", n)
	}
}

// What is said of a record can be read whatever it holds.
func TestRecordOfRubbish(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"a megabyte":           strings.Repeat("x", 1<<20),
		"a megabyte of words":  strings.Repeat("x ", 1<<19),
		"a megabyte of quotes": strings.Repeat(`"`, 1<<20),
		"binary":               "\x00\xff\x1b[2J\n\tnode 4: all is well",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, warnings := record(map[string]string{
				"public_key": value, "ip_address": value, "destinations": value, "endpoint": value,
			}).Node(3)
			_, more := vpn.Resolve(t.Context(), failingNames{}, hub(n), hostOf(1))
			all := warningTexts(append(warnings, more...))
			if len(more) != 1 || len(n.Destinations) > 0 || len(all) > 3000 || !utf8.ValidString(all) || strings.ContainsAny(all, "\x00\x1b\t") {
				t.Errorf("%d bytes:\n%.3000s", len(all), all)
			}
			for _, field := range []string{"public_key", "ip_address", "destination", "endpoint"} {
				if !strings.Contains(all, "node 3: "+field+` "`) {
					t.Errorf("nothing is said of %s:\n%s", field, all)
				}
			}
		})
	}
}
