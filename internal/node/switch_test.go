package node

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

// record writes a node of the cluster to the machine's Redis.
func record(t *testing.T, server *redistest.Server, id int, address netip.Addr, endpoint string) {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	must(t, err)
	must(t, server.Client().HSet(t.Context(), cluster.VPNKey(id),
		"public_key", key.PublicKey().String(), "ip_address", address.String(), "destinations", "", "endpoint", endpoint).Err())
}

// createCluster writes a cluster with the network and the leader.
func createCluster(t *testing.T, server *redistest.Server, leader int) {
	t.Helper()
	client := server.Client()
	must(t, client.Set(t.Context(), "cluster/network", "10.5.4.0/24", 0).Err())
	must(t, client.HSet(t.Context(), "cluster/environment", "NODE_ID", leader).Err())
}

func address(text string) netip.Addr { return netip.MustParseAddr(text) }

func TestSwitchIsRefused(t *testing.T) {
	t.Parallel()
	m, server, manager := newMachine(t, 2)
	createCluster(t, server, 1)
	record(t, server, 1, address("10.5.4.1"), "192.0.2.1:55820")
	record(t, server, 2, address("10.5.4.2"), "")
	record(t, server, 3, address("10.5.4.3"), "no port")
	client := server.Client()
	must(t, client.HSet(t.Context(), "node/4/vpn", "ip_address", "no address", "endpoint", "192.0.2.4:55820").Err())
	hosts := read(t, m.Files.HostsFile())

	for _, c := range []struct {
		name  string
		order Switch
		want  error  // or
		text  string // what the error says
	}{
		{"unknown node", Switch{Leader: 9}, ErrNoSuchNode, ""},
		{"unknown node with an endpoint", Switch{Leader: 9, Endpoint: "192.0.2.9:55820"}, ErrNoSuchNode, ""},
		{"no node", Switch{}, ErrNoSuchNode, ""},
		{"node without an address", Switch{Leader: 4}, ErrNoSuchNode, ""},
		{"no endpoint", Switch{Leader: 2}, ErrNoEndpoint, ""},
		{"bad endpoint", Switch{Leader: 2, Endpoint: "node2.example.com"}, nil, "missing port"},
		{"bad endpoint in the record", Switch{Leader: 3}, nil, `endpoint "no port" of node 3`},
		{"bad endpoint in an event", Switch{Leader: 2, Endpoint: "[2001:db8::1]", Planned: true}, nil, "missing port"},
	} {
		err := m.SwitchLeader(t.Context(), c.order)
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want %v %s", c.name, err, c.want, c.text)
		}
	}
	if leader := client.HGet(t.Context(), "cluster/environment", "NODE_ID").Val(); leader != "1" {
		t.Errorf("leader is %s", leader)
	}
	if got := read(t, m.Files.HostsFile()); got != hosts || manager.all() != "" {
		t.Errorf("hosts file:\n%s\nservices: %s", got, manager.all())
	}
}

func TestSwitchWithoutACluster(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	if err := m.SwitchLeader(t.Context(), Switch{Leader: 1, Endpoint: "192.0.2.1:55820"}); !errors.Is(err, cluster.ErrNoNetwork) {
		t.Errorf("no cluster: %v", err)
	}
	server.Kill()
	if err := m.SwitchLeader(t.Context(), Switch{Leader: 1}); err == nil || errors.Is(err, cluster.ErrNoNetwork) {
		t.Errorf("no Redis: %v", err)
	}
}

// TestSwitchWhileTheLeaderAnswers: a worker does not take the lead from a
// leader that is there.
func TestSwitchWhileTheLeaderAnswers(t *testing.T) {
	t.Parallel()
	m, server, manager := newMachine(t, 2)
	leader := redistest.Start(t)
	createCluster(t, leader, 1)
	record(t, leader, 1, leader.Addr, "192.0.2.1:55820")
	record(t, leader, 2, address("10.5.4.2"), "192.0.2.2:55820")
	server.Follow(leader)

	err := m.SwitchLeader(t.Context(), Switch{Leader: 2, Wait: time.Second})
	if !errors.Is(err, ErrLeaderAlive) {
		t.Errorf("the leader is alive: %v", err)
	}
	role, err := m.Role(t.Context())
	must(t, err)
	if role.Master || !role.LinkUp || manager.all() != "" {
		t.Errorf("role %+v, services %s", role, manager.all())
	}
}

// TestSwitchWaitsForTheLock: nothing changes while another change is under way.
func TestSwitchWaitsForTheLock(t *testing.T) {
	t.Parallel()
	m, _, _ := newMachine(t, 2)
	unlock, err := m.Files.Lock(t.Context(), lockName)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for name, change := range map[string]func() error{
		"switch": func() error { return m.SwitchLeader(ctx, Switch{Leader: 2}) },
		"settle": func() error { _, err := m.Settle(ctx); return err },
		"apply":  func() error { _, err := m.ApplyRoutes(ctx); return err },
		"start":  func() error { return m.StartVPN(ctx, address("10.5.4.2"), netip.MustParsePrefix("10.5.4.0/24"), nil) },
	} {
		if err := change(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, unlock())
}

func TestNameNodes(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	createCluster(t, server, 3)
	record(t, server, 2, address("10.5.4.2"), "")
	name := func() error { return m.with(func(s *session) error { return m.nameNodes(t.Context(), s) }) }
	if err := name(); err == nil || !strings.Contains(err.Error(), "node 3") {
		t.Errorf("a leader without a record: %v", err)
	}
	record(t, server, 3, address("10.5.4.3"), "192.0.2.3:55820")
	must(t, name())
	if got, found, err := m.Files.Host(host.LeaderName); err != nil || !found || got != address("10.5.4.3") {
		t.Errorf("cluster-leader is %v, %v, %v", got, found, err)
	}
	if got, found, err := m.Files.Host(host.LocalNodeName); err != nil || !found || got != address("10.5.4.2") {
		t.Errorf("cluster-localnode is %v, %v, %v", got, found, err)
	}
	if !strings.Contains(read(t, m.Files.HostsFile()), "127.0.0.1 localhost\n") {
		t.Errorf("hosts file:\n%s", read(t, m.Files.HostsFile()))
	}
}

// TestAdoptACLsOnReplicasOnly: the users of a leader come from nowhere else.
func TestAdoptACLsOnReplicasOnly(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	master := redistest.Start(t)
	for _, s := range []*redistest.Server{server, master} {
		must(t, s.Client().SAdd(t.Context(), "cluster/acls", "user module/mail1 on nopass +@read").Err())
	}
	users := func() string {
		lines, err := server.Client().Do(t.Context(), "ACL", "LIST").StringSlice()
		must(t, err)
		return strings.Join(lines, "\n")
	}
	must(t, m.AdoptACLs(t.Context()))
	if strings.Contains(users(), "module/mail1") {
		t.Errorf("a master has adopted users:\n%s", users())
	}
	server.Follow(master)
	must(t, m.AdoptACLs(t.Context()))
	if !strings.Contains(users(), "user module/mail1 on nopass") || strings.Contains(users(), "user node/1 ") {
		t.Errorf("a replica has the users:\n%s", users())
	}
}

func TestNodeAt(t *testing.T) {
	t.Parallel()
	records := vpn.Cluster{Nodes: []vpn.Node{{ID: 1, Address: address("10.5.4.1")}, {ID: 2}, {ID: 3, Address: address("10.5.4.3")}}}
	for source, want := range map[string]int{
		"10.5.4.3:6379": 3, "10.5.4.1:6380": 1, "10.5.4.9:6379": 0, "node3:6379": 0, "10.5.4.3": 0, "": 0,
	} {
		if got, found := nodeAt(records, source); got != want || found != (want != 0) {
			t.Errorf("%s: got %d, %v, want %d", source, got, found, want)
		}
	}
}

// TestRecordsOfAReplicaWithoutALink: what Redis was told to follow is newer
// than the records, which stopped with the link.
func TestRecordsOfAReplicaWithoutALink(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	createCluster(t, server, 1)
	record(t, server, 1, address("10.5.4.1"), "192.0.2.1:55820")
	record(t, server, 3, address("127.0.0.255"), "192.0.2.3:55820")
	leader := func() int {
		var id int
		must(t, m.with(func(s *session) error {
			records, _, err := s.records(t.Context())
			id = records.Leader
			return err
		}))
		return id
	}
	if got := leader(); got != 1 {
		t.Errorf("master: node %d leads", got)
	}
	client := server.Client()
	must(t, client.Do(t.Context(), "REPLICAOF", "127.0.0.255", "6379").Err())
	if got := leader(); got != 3 {
		t.Errorf("replica of node 3 without a link: node %d leads", got)
	}
	must(t, client.Do(t.Context(), "REPLICAOF", "127.0.0.254", "6379").Err())
	if got := leader(); got != 1 {
		t.Errorf("replica of nobody known: node %d leads", got)
	}
}
