package actions_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
)

// newPair is a leader, and a worker whose Redis is its replica: node 2.
func newPair(t *testing.T) (leader *machine, replica *redistest.Server) {
	t.Helper()
	leader, replica = newLeader(t), redistest.Start(t)
	wantCompleted(t, leader.run(t, "add-node", encode(t, newRequest(t))))
	// The replica connects from where it listens, and not through a VPN.
	must(t, leader.client.HSet(t.Context(), "node/2/vpn", "ip_address", replica.Addr.String()).Err())
	replica.Follow(leader.redis)
	return leader, replica
}

// promote is the input of promote-node, without the question to the endpoint.
func promote(id int, address string) string {
	return fmt.Sprintf(`{"node_id":%d,"endpoint_address":%q,"endpoint_port":55820,"endpoint_validation":false}`, id, address)
}

func TestPromoteNode(t *testing.T) {
	t.Parallel()
	leader, _ := newPair(t)
	for address, endpoint := range map[string]string{
		"node2.example.com": "node2.example.com:55820",
		"192.0.2.2":         "192.0.2.2:55820",
		"2001:db8::2":       "[2001:db8::2]:55820",
		"[2001:db8::2]":     "[2001:db8::2]:55820",
	} {
		result := leader.run(t, "promote-node", promote(2, address))
		wantCompleted(t, result)
		if len(result.Announcements) != 1 || result.Announcements[0].Channel != "cluster/event/leader-changed" {
			t.Fatalf("announced %v", result.Announcements)
		}
		want := fmt.Sprintf(`{"node_id":2,"endpoint":%q}`, endpoint)
		if got := string(result.Announcements[0].Payload); got != want {
			t.Errorf("payload %s, want %s", got, want)
		}
	}
	if got := leader.client.HGet(t.Context(), "cluster/environment", "NODE_ID").Val(); got != "1" {
		t.Errorf("the action alone made node %s the leader", got)
	}
}

func TestPromoteNodeErrors(t *testing.T) {
	t.Parallel()
	leader, replica := newPair(t)
	wantInvalid(t, leader.run(t, "promote-node", promote(1, "node1.example.com")), verdict{3, "node_id", "node_is_already_leader", 1})
	wantInvalid(t, leader.run(t, "promote-node", promote(9, "node9.example.com")), verdict{5, "node_id", "node_replica_not_found", 9})

	// Its record is there, and its Redis follows nobody, or somebody else.
	wantCompleted(t, leader.run(t, "add-node", encode(t, newRequest(t))))
	wantInvalid(t, leader.run(t, "promote-node", promote(3, "node3.example.com")), verdict{5, "node_id", "node_replica_not_found", 3})
	must(t, leader.client.HSet(t.Context(), "node/3/vpn", "ip_address", "no address").Err())
	wantInvalid(t, leader.run(t, "promote-node", promote(3, "node3.example.com")), verdict{5, "node_id", "node_replica_not_found", 3})
	must(t, cluster.NewStore(replica.Client()).Lead(t.Context()))
	leader.redis.Eventually("lose its replica", func() bool { return leader.redis.Info("replication", "connected_slaves") == "0" })
	wantInvalid(t, leader.run(t, "promote-node", promote(2, "node2.example.com")), verdict{5, "node_id", "node_replica_not_found", 2})
}

// TestPromoteNodeEndpoint: the endpoint is asked unless the caller says no.
func TestPromoteNodeEndpoint(t *testing.T) {
	t.Parallel()
	leader, _ := newPair(t)
	nobody := unusedAddress(t)
	for _, validation := range []string{"", `,"endpoint_validation":true`, `,"endpoint_validation":false`} {
		data := fmt.Sprintf(`{"node_id":2,"endpoint_address":%q,"endpoint_port":55820%s}`, nobody, validation)
		result := leader.run(t, "promote-node", data)
		if strings.Contains(validation, "false") {
			wantCompleted(t, result)
			continue
		}
		wantInvalid(t, result, verdict{4, "endpoint_address", "endpoint_address_not_reachable", nobody})
	}
	result := leader.run(t, "promote-node", `{"node_id":2,"endpoint_address":"node2.invalid","endpoint_port":55820}`)
	wantInvalid(t, result, verdict{4, "endpoint_address", "endpoint_address_not_reachable", "node2.invalid"})
	for _, address := range []string{"no host", "node2:443", "https://node2", "0.0.0.0", "[]"} {
		result := leader.run(t, "promote-node", promote(2, address))
		wantInvalid(t, result, verdict{10, "endpoint_address", "endpoint_address_format", address})
	}
}

// unusedAddress is one of this machine at which nobody answers HTTPS.
func unusedAddress(t *testing.T) string {
	t.Helper()
	return netip.AddrFrom4([4]byte{127, 255, 3, 7}).String()
}

func TestPromoteNodeWithoutACluster(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	result := m.run(t, "promote-node", promote(2, "node2.example.com"))
	wantFailed(t, result, "NODE_ID")
	if len(result.Announcements) != 0 {
		t.Errorf("announced %v", result.Announcements)
	}
}
