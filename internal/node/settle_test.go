package node

import (
	"net/netip"
	"slices"
	"testing"

	"cluster-agent/vpn"
)

func TestForwarding6(t *testing.T) {
	t.Parallel()
	six, own := address("2001:db8:f::33"), address("2001:db8:f::3")
	records := func(self int) vpn.Cluster {
		return vpn.Cluster{Self: self, Leader: 1, Nodes: []vpn.Node{
			{ID: 1},
			{ID: 2, Destinations: []netip.Addr{address("192.0.2.1")}},
			{ID: 3, Destinations: []netip.Addr{own, six, address("192.0.2.3")}},
		}}
	}
	interfaceTo := func(a netip.Addr) (string, error) {
		switch a {
		case six:
			return "eth1", nil
		case own:
			return "", nil
		}
		t.Errorf("asked for %s", a)
		return "", nil
	}
	for self, want := range map[int][]string{1: {"wg0"}, 2: nil, 3: {"wg0", "eth1"}} {
		if got, err := forwarding6(records(self), interfaceTo); err != nil || !slices.Equal(got, want) {
			t.Errorf("node %d: %v, %v; want %v", self, got, err, want)
		}
	}
	without := records(1)
	without.Nodes = without.Nodes[:2]
	if got, err := forwarding6(without, interfaceTo); err != nil || got != nil {
		t.Errorf("no IPv6 destinations: %v, %v", got, err)
	}
}
