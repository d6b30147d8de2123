package vpn_test

import (
	"fmt"
	"net/netip"
	"testing"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// large returns a hub's view of a cluster with so many other nodes.
func large(others int) vpn.Cluster {
	c := hub()
	c.Network = netip.MustParsePrefix("10.0.0.0/8")
	for i := range others {
		id := i + 2
		c.Nodes = append(c.Nodes, vpn.Node{
			ID: id, PublicKey: key(id), Endpoint: "198.51.100.3:55820",
			Address: netip.AddrFrom4([4]byte{10, 1, byte(id >> 8), byte(id)}),
		})
	}
	return c
}

// BenchmarkDecide is a run's own work, without kernel and names: at first, and
// when nothing has changed.
func BenchmarkDecide(b *testing.B) {
	for _, others := range []int{3, 253, 2000, 10000} {
		c := large(others)
		first := hostOf(1)
		found, _ := vpn.Resolve(b.Context(), vpntest.Names{}, c, first)
		want, _ := vpn.Want(c, vpn.Memory{}, first, found)
		sim := vpntest.NewSim(first)
		if err := sim.Apply(b.Context(), vpn.Diff(first, want)); err != nil {
			b.Fatal(err)
		}
		again, err := sim.State(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for name, state := range map[string]vpn.State{"first": first, "unchanged": again} {
			b.Run(fmt.Sprintf("%s/%d", name, others), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					found, _ := vpn.Resolve(b.Context(), vpntest.Names{}, c, state)
					want, _ := vpn.Want(c, vpn.Memory{}, state, found)
					plan := vpn.Diff(state, want)
					if name == "unchanged" && !plan.Empty() {
						b.Fatal(plan)
					}
				}
			})
		}
	}
}
