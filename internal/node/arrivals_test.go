package node

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// Whoever lags after a change of the leader is named, with what is missing.
func TestArrivals(t *testing.T) {
	t.Parallel()
	now := time.Now()
	records := vpn.Cluster{Self: 1, Leader: 1}
	state := vpn.State{Exists: true, Time: now}
	for id, heard := range map[int]time.Duration{1: 0, 2: time.Second, 3: time.Hour, 4: 0} {
		key := wgtypes.Key{byte(id)}
		records.Nodes = append(records.Nodes, vpn.Node{ID: id, PublicKey: key, Address: netip.AddrFrom4([4]byte{10, 5, 4, byte(id)})})
		peer := vpn.Peer{Key: key}
		if heard > 0 {
			peer.LastHandshake = now.Add(-heard)
		}
		state.Peers = append(state.Peers, peer)
	}
	all := arrivals(records, state, []netip.Addr{address("10.5.4.2"), address("10.5.4.3")}, []string{"cluster", "node/1", "node/2"})
	want := map[int]string{
		2: "node 2 follows",
		3: "node 3 lags: its last handshake was 1h0m0s ago, its agent is not connected",
		4: "node 4 lags: it has had no handshake with this node, its Redis does not follow, its agent is not connected",
	}
	if len(all) != len(want) {
		t.Fatalf("got %v", all)
	}
	for _, a := range all {
		if a.String() != want[a.Node] || a.Arrived() != strings.HasSuffix(want[a.Node], "follows") {
			t.Errorf("got  %s, arrived %v\nwant %s", a, a.Arrived(), want[a.Node])
		}
	}
}

// On a worker there is nobody to wait for.
func TestNoArrivalsOnAWorker(t *testing.T) {
	t.Parallel()
	m, leader := newFollower(t)
	if all, err := m.Arrivals(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a replica waits for %v, %v", all, err)
	}
	leader.Kill()
	if err := m.WatchArrivals(t.Context(), time.Minute, quietLog()); err != nil {
		t.Error(err)
	}
}

// Only a node that may lead is met: not this one, nor the leader, with which there is a
// link, nor one that is not there.
func TestProspect(t *testing.T) {
	t.Parallel()
	cluster := func() vpn.Cluster {
		return vpn.Cluster{Self: 2, Leader: 1, Nodes: []vpn.Node{{ID: 1}, {ID: 2}, {ID: 3, PublicKey: wgtypes.Key{3}, Endpoint: "old:1"}}}
	}
	for id, met := range map[int]bool{0: false, 1: false, 2: false, 3: true, 4: false} {
		records := cluster()
		key, err := prospect(&records, id, "192.0.2.3:55820")
		if (err == nil) != met || met && (key != wgtypes.Key{3} || records.Nodes[2].Endpoint != "192.0.2.3:55820" || len(records.Standby) != 1) {
			t.Errorf("node %d: %v, %+v", id, err, records)
		}
	}
	records := cluster()
	if _, err := prospect(&records, 3, "no port"); err == nil {
		t.Error("met at an endpoint that is none")
	}
}
