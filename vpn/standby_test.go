package vpn_test

import (
	"strings"
	"testing"

	"cluster-agent/vpn"
)

// Peers that stand by come and go, and nothing else changes: neither what is wrong with the
// interface, nor the peers that are there.
func TestStandby(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		cluster vpn.Cluster
		add     string
		remove  string
	}{
		{"a hub", with(star(3), func(c *vpn.Cluster) { c.StandsBy = true }), "peer add node 4 key4: keepalive 25s", "peer remove node 4 key4"},
		{"a worker", with(star(2), func(c *vpn.Cluster) { c.Standby = []int{3} }), "", ""}, // it has it
		{"nobody", star(3), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var have vpn.State
			have.Exists = true // and is down, without its address and routes
			have.Peers = []vpn.Peer{peer(1), met(peer(2)), peer(3)}
			want, _ := vpn.Want(c.cluster, vpn.Memory{Keys: vpn.NewKeys(key(9))}, have, vpn.Resolved{})
			add, remove := vpn.Standby(c.cluster, have, want)
			if got := keyNames().Replace(add.String()); got != c.add {
				t.Errorf("added\n%s\nwant\n%s", got, c.add)
			}
			if got := keyNames().Replace(remove.String()); got != c.remove {
				t.Errorf("removed\n%s\nwant\n%s", got, c.remove)
			}
			if strings.Contains(add.String(), "allowed") {
				t.Errorf("allowed IPs: %s", add)
			}
		})
	}
}
