package updateroutes

import (
	"maps"
	"net/netip"
	"slices"
)

// change says of addresses whether they are reached through a node.
type change map[netip.Addr]bool

// apply returns the destinations afterwards, sorted. A word that is no address
// stays, at the end: it is somebody's mistake, which others can see and mend.
func (c change) apply(present []string) []string {
	addresses := map[netip.Addr]bool{}
	var others []string
	for _, word := range present {
		address, err := netip.ParseAddr(word)
		if err != nil {
			others = append(others, word)
			continue
		}
		addresses[address] = true
	}
	maps.Copy(addresses, c)
	var destinations []string
	for _, address := range slices.SortedFunc(maps.Keys(addresses), netip.Addr.Compare) {
		if addresses[address] {
			destinations = append(destinations, address.String())
		}
	}
	return append(destinations, others...)
}
