package cluster

import (
	"net/netip"
	"slices"
	"strings"
)

// bindWith adds a VPN address to Redis' setting bind.
// Empty means all addresses, and stays.
func bindWith(bind string, address netip.Addr) string {
	words := strings.Fields(bind)
	if len(words) == 0 || slices.Contains(words, "*") {
		return bind
	}
	optional := "-" + address.String()
	if slices.Contains(words, address.String()) || slices.Contains(words, optional) {
		return bind
	}
	return strings.Join(append(words, optional), " ")
}
