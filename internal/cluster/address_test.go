package cluster

import (
	"errors"
	"math"
	"net/netip"
	"testing"
)

func TestNodeAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		network string
		node    int
		want    string // empty: the network is full
	}{
		{"10.5.4.0/24", 1, "10.5.4.1"},
		{"10.5.4.0/24", 254, "10.5.4.254"},
		{"10.5.4.0/24", 255, ""}, // the broadcast address
		{"10.5.4.0/24", 256, ""}, // an address of the next network
		{"10.5.4.7/24", 1, "10.5.4.1"},
		{"10.5.4.128/25", 126, "10.5.4.254"},
		{"10.5.4.128/25", 127, ""},
		{"192.168.7.8/30", 1, "192.168.7.9"},
		{"192.168.7.8/30", 2, "192.168.7.10"},
		{"192.168.7.8/30", 3, ""},
		{"192.168.7.8/31", 1, ""},
		{"192.168.7.8/32", 1, ""},
		{"172.16.0.0/16", 255, "172.16.0.255"},
		{"172.16.0.0/16", 256, "172.16.1.0"},
		{"172.16.0.0/16", 65534, "172.16.255.254"},
		{"172.16.0.0/16", 65535, ""},
		{"255.255.255.0/24", 254, "255.255.255.254"},
		{"0.0.0.0/0", math.MaxUint32 - 1, "255.255.255.254"},
		{"0.0.0.0/0", math.MaxUint32, ""},
		{"10.0.0.0/8", math.MaxInt, ""},
	} {
		got, err := NodeAddress(netip.MustParsePrefix(c.network), c.node)
		switch {
		case c.want == "" && !errors.Is(err, ErrNetworkFull):
			t.Errorf("node %d in %s: got %v, %v, want %v", c.node, c.network, got, err, ErrNetworkFull)
		case c.want != "" && (err != nil || got.String() != c.want):
			t.Errorf("node %d in %s: got %v, %v, want %s", c.node, c.network, got, err, c.want)
		}
	}
}

func TestNodeAddressRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		network netip.Prefix
		node    int
	}{
		{netip.Prefix{}, 1},
		{netip.MustParsePrefix("fd00::/64"), 1},
		{netip.MustParsePrefix("10.5.4.0/24"), 0},
		{netip.MustParsePrefix("10.5.4.0/24"), -1},
		{netip.MustParsePrefix("10.5.4.0/24"), math.MinInt},
	} {
		if got, err := NodeAddress(c.network, c.node); err == nil || errors.Is(err, ErrNetworkFull) {
			t.Errorf("node %d in %v: got %v, %v", c.node, c.network, got, err)
		}
	}
}
