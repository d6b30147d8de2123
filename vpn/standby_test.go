package vpn_test

import (
	"net/netip"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

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

// A peer that stands by at another endpoint than the one that is to be tried is begun with
// afresh there, and put back afterwards.
func TestStandbyAtAnotherEndpoint(t *testing.T) {
	t.Parallel()
	c := with(star(2), func(c *vpn.Cluster) {
		c.Standby = []int{3}
		for i := range c.Nodes {
			if c.Nodes[i].ID == 3 {
				c.Nodes[i].Endpoint = "198.51.100.99:55820"
			}
		}
	})
	before, tried := netip.MustParseAddrPort("198.51.100.3:55820"), netip.MustParseAddrPort("198.51.100.99:55820")
	standing := met(peer(3))
	standing.AllowedIPs, standing.Endpoint = nil, before
	have := hostOf(2)
	have.Peers = []vpn.Peer{met(peer(1)), standing}
	for earlier, endpoint := range map[string]netip.AddrPort{"the record has changed": before, "the node has roamed": tried} {
		memory := vpn.Memory{Keys: vpn.NewKeys(key(3)), Endpoints: map[wgtypes.Key]netip.AddrPort{key(3): endpoint}}
		want, _ := vpn.Want(c, memory, have, vpn.Resolved{3: {Endpoint: tried, Answers: []netip.Addr{tried.Addr()}}})
		add, remove := vpn.Standby(c, have, want)
		for name, got := range map[string]struct {
			plan vpn.Plan
			at   netip.AddrPort
		}{"tried": {add, tried}, "put back": {remove, before}} {
			if len(got.plan.Peers) != 1 || got.plan.Peers[0].Do != vpn.RenewPeer || got.plan.Peers[0].Endpoint != got.at {
				t.Errorf("%s, %s: %s", earlier, name, got.plan.String())
			}
		}
	}
}
