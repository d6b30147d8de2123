package actions_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

// invitation is the input of join-node for node 2 of a leader whose Redis is
// reached without a VPN.
func invitation(t *testing.T, leader *redistest.Server) map[string]any {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	must(t, err)
	return map[string]any{
		"node_id": 2, "ip_address": "127.9.9.2", "network": "127.0.0.0/8",
		"leader_public_key": key.PublicKey().String(), "leader_ip_address": leader.Addr.String(),
		"leader_endpoint": "192.0.2.1:55820", "leader_core_version": version,
	}
}

// newHost is a leader's Redis that knows node 2. It holds no cluster network, so
// that a node which joins it has no VPN to bring up.
func newHost(t *testing.T) *redistest.Server {
	t.Helper()
	leader := redistest.Start(t)
	store := cluster.NewStore(leader.Client())
	must(t, store.AddNode(t.Context(), cluster.NewNode{Node: vpn.Node{ID: 2}, PasswordHash: redistest.PasswordHash()}))
	must(t, store.ShareACLs(t.Context()))
	return leader
}

func TestJoinNode(t *testing.T) {
	t.Parallel()
	leader, m := newHost(t), newMachine(t, 1)
	in := encode(t, invitation(t, leader))
	for range 2 { // joining again after an interrupted join works
		result := m.run(t, "join-node", in)
		wantCompleted(t, result)
		if len(result.Output) != 0 || len(result.Announcements) != 0 {
			t.Errorf("output %s, announced %v", result.Output, result.Announcements)
		}
	}
	role, err := m.Role(t.Context())
	must(t, err)
	if role.Master || role.Source != leader.Address() || !role.LinkUp {
		t.Errorf("role %+v", role)
	}
	wantWorker(t, m, leader)

	// The replication survives a restart of Redis.
	m.redis.Kill()
	m.redis.Run()
	m.redis.Eventually("follow the leader again", func() bool {
		role, err := m.Role(t.Context())
		return err == nil && !role.Master && role.LinkUp
	})
	must(t, m.redis.ClientOf("node/2", redistest.Password).Ping(t.Context()).Err())
}

// wantWorker checks files, settings and services of a node that has joined as node 2.
func wantWorker(t *testing.T, m *machine, leader *redistest.Server) {
	t.Helper()
	id, err := m.Files.NodeID()
	must(t, err)
	agent, err := m.Files.Credentials(host.NodeAgent)
	must(t, err)
	if id != 2 || agent.User != "node/2" || agent.Address != "cluster-leader:6379" || agent.ReplicaAddress != "127.0.0.1:6379" {
		t.Errorf("node %d, agent %+v", id, agent)
	}
	for name, want := range map[string]string{"cluster-leader": leader.Addr.String(), "cluster-localnode": "127.9.9.2"} {
		if got, _, err := m.Files.Host(name); err != nil || got.String() != want {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	conf := read(t, m.Files.WireGuardConf())
	for _, line := range []string{"AllowedIPs = " + leader.Addr.String() + "/32", "Endpoint = 192.0.2.1:55820", "PersistentKeepalive = 25"} {
		if strings.Count(conf, line+"\n") != 1 {
			t.Errorf("line %q in\n%s", line, conf)
		}
	}
	settings := m.client.ConfigGet(t.Context(), "master*").Val()
	if settings["masteruser"] != "node/2" || settings["masterauth"] != redistest.Password {
		t.Errorf("settings %v", settings)
	}
	if got := m.asked.all(); got != "wg enable, wg restart, ask agent@node, wg enable, wg restart, ask agent@node" {
		t.Errorf("services: %s", got)
	}
}

func TestJoinNodeErrors(t *testing.T) {
	t.Parallel()
	leader, m := newHost(t), newMachine(t, 1)
	good := invitation(t, leader)
	for _, c := range []struct{ field, value string }{
		{"network", "127.0.0.0"},
		{"network", "no network"},
		{"ip_address", "10.5.4.2"}, // not in the network
		{"leader_ip_address", "10.5.4.1"},
		{"leader_public_key", "no key"},
		{"leader_endpoint", "node1.example.com"},
		{"leader_endpoint", "2001:db8::1"},
		{"leader_endpoint", "node1:port"},
	} {
		in := maps.Clone(good)
		in[c.field] = c.value
		wantInvalid(t, m.run(t, "join-node", encode(t, in)), verdict{10, c.field, c.field + "_format", c.value})
	}
	wantNoCluster(t, m)
	if id, err := m.Files.NodeID(); err != nil || id != 1 {
		t.Errorf("node %d, %v", id, err)
	}
}

// TestJoinNodeThatLeads: the data of a cluster are not thrown away.
func TestJoinNodeThatLeads(t *testing.T) {
	t.Parallel()
	leader, m := newHost(t), newLeader(t)
	before, asked := m.keys(t), m.asked.all()
	in := invitation(t, leader)
	wantInvalid(t, m.run(t, "join-node", encode(t, in)), verdict{2, "network", "cluster_network_already_set", in["network"]})
	if after := m.keys(t); len(after) != len(before) || m.asked.all() != asked {
		t.Errorf("keys %v, services %s", after, m.asked.all())
	}
}

// TestJoinNodeUnresolvableLeader: what cannot work is told before anything changes.
func TestJoinNodeUnresolvableLeader(t *testing.T) {
	t.Parallel()
	leader, m := newHost(t), newMachine(t, 1)
	in := invitation(t, leader)
	in["leader_endpoint"] = "nowhere.example.com:55820"
	wantFailed(t, m.run(t, "join-node", encode(t, in)), "nowhere.example.com")
	wantNoCluster(t, m)
	must(t, os.Remove(m.Files.PrivateKey()))
	in["leader_endpoint"] = "192.0.2.1:55820"
	wantFailed(t, m.run(t, "join-node", encode(t, in)), "WireGuard key")
	wantNoCluster(t, m)
}
