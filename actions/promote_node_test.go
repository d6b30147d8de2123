package actions_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// promote is the input of promote-node, without the question to the endpoint.
func promote(id int, address string) string {
	return fmt.Sprintf(`{"node_id":%d,"endpoint_address":%q,"endpoint_port":55820,"endpoint_validation":false}`, id, address)
}

func TestPromoteNode(t *testing.T) {
	t.Parallel()
	leader, _ := newPair(t)
	must(t, cluster.NewStore(leader.client).SetLeadership(t.Context(), cluster.Leadership{Epoch: 6, Node: 1}))
	// No epoch is announced twice, whatever comes of the first.
	for i, c := range []struct{ address, endpoint string }{
		{"node2.example.com", "node2.example.com:55820"},
		{"192.0.2.2", "192.0.2.2:55820"},
		{"2001:db8::2", "[2001:db8::2]:55820"},
		{"[2001:db8::2]", "[2001:db8::2]:55820"},
	} {
		result := leader.run(t, "promote-node", promote(2, c.address))
		wantCompleted(t, result)
		if len(result.Announcements) != 1 || result.Announcements[0].Channel != "cluster/event/leader-changed" {
			t.Fatalf("announced %v", result.Announcements)
		}
		want := fmt.Sprintf(`{"node_id":2,"endpoint":%q,"epoch":%d}`, c.endpoint, 7+i)
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
	leader, candidate := newPair(t)
	wantInvalid(t, leader.run(t, "promote-node", promote(1, "node1.example.com")), verdict{3, "node_id", "node_is_already_leader", 1})
	wantInvalid(t, leader.run(t, "promote-node", promote(9, "node9.example.com")), verdict{5, "node_id", "node_replica_not_found", 9})

	// Its record is there, and its Redis follows nobody, or somebody else.
	wantCompleted(t, leader.run(t, "add-node", encode(t, newRequest(t))))
	nodeAgent(t, leader, 3, nil)
	wantInvalid(t, leader.run(t, "promote-node", promote(3, "node3.example.com")), verdict{5, "node_id", "node_replica_not_found", 3})
	must(t, leader.client.HSet(t.Context(), "node/3/vpn", "ip_address", "no address").Err())
	wantInvalid(t, leader.run(t, "promote-node", promote(3, "node3.example.com")), verdict{5, "node_id", "node_replica_not_found", 3})
	must(t, cluster.NewStore(candidate.client).Lead(t.Context()))
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

// A node agent that is not there could not make the node the hub.
func TestPromoteNodeWithoutItsAgent(t *testing.T) {
	t.Parallel()
	leader := newLeader(t)
	candidate := newMachine(t, 2)
	wantCompleted(t, leader.run(t, "add-node", encode(t, newRequest(t))))
	must(t, leader.client.HSet(t.Context(), "node/2/vpn", "ip_address", candidate.redis.Addr.String()).Err())
	candidate.redis.Follow(leader.redis)
	wantInvalid(t, leader.run(t, "promote-node", promote(2, "node2.example.com")), verdict{6, "node_id", "node_agent_not_alive", 2})
	// It shows itself, but what it does with tasks nobody knows.
	stop := nodeAgent(t, leader, 2, []worker.Action{{Name: "adopt-users", Steps: []worker.Step{{
		Name: "10hang", Run: func(ctx context.Context, _ *worker.Call) error { <-ctx.Done(); return nil },
	}}}})
	wantInvalid(t, leader.run(t, "promote-node", promote(2, "node2.example.com")), verdict{6, "node_id", "node_agent_not_alive", 2})
	stop()
	if n := leader.client.LLen(t.Context(), "node/2/tasks").Val(); n != 0 {
		t.Errorf("%d tasks are left", n)
	}
}

// What an agent of another implementation cannot tell is named, and does not end the promotion.
func TestPromoteNodeOfAnotherImplementation(t *testing.T) {
	t.Parallel()
	leader := newLeader(t)
	candidate := newMachine(t, 2)
	wantCompleted(t, leader.run(t, "add-node", encode(t, newRequest(t))))
	must(t, leader.client.HSet(t.Context(), "node/2/vpn", "ip_address", candidate.redis.Addr.String()).Err())
	candidate.redis.Follow(leader.redis)
	nodeAgent(t, leader, 2, nil)
	result := leader.run(t, "promote-node", promote(2, "node2.example.com"))
	wantCompleted(t, result)
	if !strings.Contains(string(result.Error), "not verified: whether node 2 has the users of all others") {
		t.Errorf("error text: %s", result.Error)
	}
	found := dryRun(t, leader, promote(2, "node2.example.com")[:len(promote(2, "node2.example.com"))-1]+`,"dry_run":true}`)
	if users := found["users"]; !users.OK || users.Verified || !strings.Contains(users.Detail, "not verified") {
		t.Errorf("users: %+v", users)
	}
}

// The candidate takes over the users that it has missed; those that nobody has shared are shared.
func TestPromoteNodeUsers(t *testing.T) {
	t.Parallel()
	leader, candidate := newPair(t)
	must(t, leader.client.Do(t.Context(), "ACL", "SETUSER", "module/mail1", "on", ">secret", "~module/mail1/*", "+@read").Err())
	knows := func() bool { return candidate.client.Do(t.Context(), "ACL", "GETUSER", "module/mail1").Err() == nil }
	before := leader.client.SMembers(t.Context(), "cluster/acls").Val()
	found := dryRun(t, leader, `{"node_id":2,"dry_run":true,"endpoint_address":"node2.example.com","endpoint_port":55820,"endpoint_validation":false}`)
	if users := found["users"]; !users.OK || !strings.Contains(users.Detail, "the records lack module/mail1") || knows() {
		t.Errorf("users: %+v; the candidate knows the user: %v", users, knows())
	}
	if after := leader.client.SMembers(t.Context(), "cluster/acls").Val(); len(after) != len(before) {
		t.Errorf("a dry run has shared users: %v", after)
	}
	wantCompleted(t, leader.run(t, "promote-node", promote(2, "node2.example.com")))
	if !knows() {
		t.Error("the candidate does not know the user")
	}
}

// A Redis that does not let the leader in could not be followed by it.
func TestPromoteNodeThatRefusesTheLeader(t *testing.T) {
	t.Parallel()
	leader, candidate := newPair(t)
	must(t, leader.client.Do(t.Context(), "CONFIG", "SET", "masteruser", "node/1", "masterauth", "another password").Err())
	wantInvalid(t, leader.run(t, "promote-node", promote(2, "node2.example.com")), verdict{7, "node_id", "node_users_incomplete", 2})
	role, err := candidate.Role(t.Context())
	must(t, err)
	if role.Master || !role.LinkUp {
		t.Errorf("the candidate's role: %+v", role)
	}
}

// A dry run goes on after a check that has failed, and takes the endpoint of the record.
func TestPromoteNodeDryRun(t *testing.T) {
	t.Parallel()
	leader, candidate := newPair(t)
	ctx := t.Context()
	found := dryRun(t, leader, `{"node_id":2,"dry_run":true}`)
	for name, f := range found {
		if want := map[string]string{"endpoint": "node_has_no_endpoint", "links": "node_has_no_endpoint"}[name]; f.Error != want || f.OK != (want == "") || f.Detail == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if replica := found["replica"]; !strings.Contains(replica.Detail, "bytes behind, and acknowledged last ") {
		t.Errorf("replica: %+v", replica)
	}
	must(t, leader.client.HSet(ctx, "node/2/vpn", "endpoint", unusedAddress(t)+":55820").Err())
	found = dryRun(t, leader, `{"node_id":2,"dry_run":true}`)
	if f := found["endpoint"]; f.Error != "endpoint_address_not_reachable" || f.OK || !found["links"].OK {
		t.Errorf("endpoint: %+v, links %+v", f, found["links"])
	}
	for id, wrong := range map[string]map[string]string{
		"1": {"leader": "node_is_already_leader"},
		"9": {"node": "node_replica_not_found", "replica": "node_replica_not_found", "agent": "node_agent_not_alive"},
	} {
		found = dryRun(t, leader, `{"node_id":`+id+`,"dry_run":true}`)
		for name, want := range wrong {
			if f := found[name]; f.OK || f.Error != want {
				t.Errorf("node %s, %s: %+v", id, name, f)
			}
		}
	}
	candidate.redis.Kill()
	leader.redis.Eventually("lose its replica", func() bool { return leader.redis.Info("replication", "connected_slaves") == "0" })
	if f := dryRun(t, leader, `{"node_id":2,"dry_run":true}`)["replica"]; f.OK || f.Error != "node_replica_not_found" {
		t.Errorf("replica: %+v", f)
	}
	l, err := cluster.NewStore(leader.client).Leadership(ctx)
	must(t, err)
	if l != (cluster.Leadership{Epoch: 1, Node: 1}) {
		t.Errorf("a dry run has left %+v", l)
	}
}
