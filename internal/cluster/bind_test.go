package cluster

import (
	"net/netip"
	"testing"
)

func TestBindWith(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr("10.5.4.1")
	for _, c := range []struct{ name, bind, want string }{
		{"as prepared", "127.0.0.1 -::1", "127.0.0.1 -::1 -10.5.4.1"},
		{"all addresses", "", ""},
		{"all IPv4 addresses", "*", "*"},
		{"all addresses, in words", "* -::*", "* -::*"},
		{"there already", "127.0.0.1 10.5.4.1", "127.0.0.1 10.5.4.1"},
		{"there already, may be absent", "127.0.0.1 -10.5.4.1", "127.0.0.1 -10.5.4.1"},
		{"address that begins the same", "127.0.0.1 10.5.4.10", "127.0.0.1 10.5.4.10 -10.5.4.1"},
		{"spaces", "  127.0.0.1   -::1 ", "127.0.0.1 -::1 -10.5.4.1"},
	} {
		if got := bindWith(c.bind, address); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
