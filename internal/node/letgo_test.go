package node

import (
	"net/netip"
	"slices"
	"testing"
)

func TestWhoIsBehind(t *testing.T) {
	t.Parallel()
	two, three, four := netip.MustParseAddr("10.5.4.2"), netip.MustParseAddr("10.5.4.3"), netip.MustParseAddr("10.5.4.4")
	b := &behind{nodes: map[netip.Addr]*linger{two: {}, three: {}}}
	for i, step := range []struct {
		silent    netip.Addr
		followers []netip.Addr
		want      []netip.Addr
	}{
		{want: []netip.Addr{two, three}}, // cut off, and not back yet
		{followers: []netip.Addr{two, four}, want: []netip.Addr{two, three, four}},
		{followers: []netip.Addr{four}, want: []netip.Addr{three, four}}, // node 2 came back and left
		{silent: four, followers: []netip.Addr{four}, want: []netip.Addr{three, four}},
		{silent: three, want: nil}, // node 3 never came back and is silent, node 4 left
	} {
		b.silent(step.silent)
		if got := b.update(step.followers); !slices.Equal(got, step.want) {
			t.Errorf("step %d: behind are %v, want %v", i, got, step.want)
		}
	}
}
