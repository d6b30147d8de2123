package node

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn/vpntest"
)

func TestResolveEndpointOfTheLeader(t *testing.T) {
	t.Parallel()
	m := &Machine{Resolver: vpntest.Names{
		"node1.example.com": {address("192.0.2.1")},
		"both.example.com":  {address("2001:db8::1"), address("192.0.2.2")},
		"six.example.com":   {address("2001:db8::6")},
		"mapped.example":    {address("::ffff:192.0.2.3")},
	}}
	for endpoint, want := range map[string]string{
		"192.0.2.9:55820":         "192.0.2.9:55820",
		"[2001:db8::9]:55820":     "[2001:db8::9]:55820",
		"node1.example.com:55820": "192.0.2.1:55820",
		"both.example.com:55820":  "192.0.2.2:55820",
		"six.example.com:1":       "[2001:db8::6]:1",
		"mapped.example:55820":    "192.0.2.3:55820",
	} {
		if got, err := m.resolve(t.Context(), endpoint); err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", endpoint, got, err, want)
		}
	}
	for _, endpoint := range []string{"", "node1.example.com", "nowhere.example.com:55820", "2001:db8::1", "192.0.2.1:0"} {
		if got, err := m.resolve(t.Context(), endpoint); err == nil || !strings.Contains(err.Error(), "endpoint of the leader") {
			t.Errorf("%s: got %v, %v", endpoint, got, err)
		}
	}
}

func newLeader(t *testing.T, endpoint string) *Leader {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	must(t, err)
	return &Leader{Address: address("10.5.4.1"), PublicKey: key.PublicKey(), Endpoint: endpoint}
}

func TestStartVPN(t *testing.T) {
	t.Parallel()
	m, _, manager := newMachine(t, 2)
	leader, network := newLeader(t, "192.0.2.1:55820"), netip.MustParsePrefix("10.5.4.0/24")
	for range 2 { // joining again after an interrupted join works
		must(t, m.StartVPN(t.Context(), address("10.5.4.2"), network, leader))
	}
	conf := read(t, m.Files.WireGuardConf())
	private, err := m.Files.Keys()
	must(t, err)
	for _, line := range []string{
		"Address = 10.5.4.2/32", "ListenPort = 55820", "PrivateKey = " + private.String(),
		"PublicKey = " + leader.PublicKey.String(), "AllowedIPs = 10.5.4.1/32",
		"Endpoint = 192.0.2.1:55820", "PersistentKeepalive = 25",
	} {
		if strings.Count(conf, line+"\n") != 1 {
			t.Errorf("line %q in\n%s", line, conf)
		}
	}
	info, err := os.Stat(m.Files.WireGuardConf())
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if got := manager.all(); got != "wg enable, wg restart, wg enable, wg restart" {
		t.Errorf("services: %s", got)
	}
}

// TestStartVPNKeepsWhatIsThere: what an administrator wrote survives.
func TestStartVPNKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	m, _, _ := newMachine(t, 1)
	must(t, os.MkdirAll(m.Files.Root()+"/etc/wireguard", 0o700))
	must(t, os.WriteFile(m.Files.WireGuardConf(), []byte("[Interface]\nMTU = 1380\nPostUp = true\n"), 0o600))
	must(t, m.StartVPN(t.Context(), address("10.5.4.1"), netip.MustParsePrefix("10.5.4.0/24"), nil))
	conf := read(t, m.Files.WireGuardConf())
	if !strings.Contains(conf, "MTU = 1380\n") || !strings.Contains(conf, "PostUp = true\n") || strings.Contains(conf, "[Peer]") {
		t.Errorf("wg0.conf:\n%s", conf)
	}
}

// TestStartVPNChangesNothingInVain: what cannot work is told before anything is changed.
func TestStartVPNChangesNothingInVain(t *testing.T) {
	t.Parallel()
	m, _, manager := newMachine(t, 2)
	network := netip.MustParsePrefix("10.5.4.0/24")
	if err := m.StartVPN(t.Context(), address("10.5.4.2"), network, newLeader(t, "nowhere.example.com:55820")); err == nil {
		t.Error("a leader that cannot be resolved")
	}
	must(t, os.Remove(m.Files.PrivateKey()))
	if err := m.StartVPN(t.Context(), address("10.5.4.2"), network, newLeader(t, "192.0.2.1:55820")); err == nil {
		t.Error("a node without a key")
	}
	if _, err := os.Stat(m.Files.WireGuardConf()); !os.IsNotExist(err) || manager.all() != "" {
		t.Errorf("wg0.conf: %v, services: %s", err, manager.all())
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	m, _, manager := newMachine(t, 1)
	must(t, m.NameNodes(t.Context(), address("10.5.4.1"), address("10.5.4.7")))
	must(t, m.Identify(t.Context(), 7))
	must(t, m.RestartNodeAgent(t.Context()))

	id, err := m.Files.NodeID()
	must(t, err)
	agent, err := m.Files.Credentials(host.NodeAgent)
	must(t, err)
	want := host.Credentials{
		AgentID: "node/7", User: "node/7", Password: redistest.Password,
		Address: "cluster-leader:6379", ReplicaAddress: "127.0.0.1:6379",
	}
	if id != 7 || agent != want {
		t.Errorf("node %d, node agent %+v", id, agent)
	}
	if got := read(t, m.Files.StateEnvironment(host.ClusterAgent)); got != "NODE_ID=7\n" {
		t.Errorf("state of the cluster agent: %q", got)
	}
	hosts := read(t, m.Files.HostsFile())
	if !strings.Contains(hosts, "10.5.4.1 cluster-leader\n") || !strings.Contains(hosts, "10.5.4.7 cluster-localnode\n") {
		t.Errorf("hosts:\n%s", hosts)
	}
	if manager.all() != "request restart agent@node" {
		t.Errorf("services: %s", manager.all())
	}
}

// addToLeader makes the machine's node agent known to the leader's Redis.
func addToLeader(t *testing.T, leader *redistest.Server, id int, hash string) {
	t.Helper()
	store := cluster.NewStore(leader.Client())
	record(t, leader, id, address("10.5.4.2"), "")
	nodes, _, err := store.Nodes(t.Context())
	must(t, err)
	must(t, store.AddNode(t.Context(), cluster.NewNode{Node: nodes[0], PasswordHash: hash}))
	must(t, store.ShareACLs(t.Context()))
}

func TestMeetLeader(t *testing.T) {
	t.Parallel()
	m, _, _ := newMachine(t, 2)
	leader := redistest.Start(t)
	const short, long = 200 * time.Millisecond, 20 * time.Second
	meet := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return m.MeetLeader(ctx, leader.Addr, 2)
	}
	if err := meet(short); err == nil || !strings.Contains(err.Error(), "node/2") || !strings.Contains(err.Error(), leader.Addr.String()) {
		t.Errorf("a leader that does not know the node: %v", err)
	}
	addToLeader(t, leader, 2, redistest.PasswordHash())
	must(t, meet(long))
	leader.Kill()
	if err := meet(short); err == nil {
		t.Error("met a leader that is off")
	}
	// One that comes later is waited for.
	met := make(chan error, 1)
	go func() { met <- m.MeetLeader(t.Context(), leader.Addr, 2) }()
	leader.Run()
	must(t, leader.Client().Do(t.Context(), "ACL", "LOAD").Err())
	must(t, <-met)
}

func TestReplicate(t *testing.T) {
	t.Parallel()
	m, local, _ := newMachine(t, 2)
	leader := redistest.Start(t)
	addToLeader(t, leader, 2, redistest.PasswordHash())
	client := local.Client()
	must(t, client.Set(t.Context(), "of-this-node", "old", 0).Err())

	for range 2 { // joining again works
		must(t, m.Replicate(t.Context(), leader.Addr, address("10.5.4.2")))
	}
	if client.Exists(t.Context(), "of-this-node").Val() != 0 || client.Exists(t.Context(), "node/2/vpn").Val() != 1 {
		t.Error("the data are not the leader's")
	}
	if err := local.ClientOf("node/2", redistest.Password).Ping(t.Context()).Err(); err != nil {
		t.Errorf("the leader's users are not here: %v", err)
	}
	local.Kill()
	local.Run()
	local.Eventually("follow the leader after a restart", func() bool {
		role, err := m.Role(t.Context())
		return err == nil && role.Source == leader.Address() && role.LinkUp
	})
}

func TestReplicateFromNobody(t *testing.T) {
	t.Parallel()
	m, local, _ := newMachine(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- m.Replicate(ctx, address("127.0.0.255"), address("10.5.4.2")) }()
	local.Eventually("ask for the data", func() bool {
		role, err := m.Role(t.Context())
		return err == nil && strings.HasPrefix(role.Source, "127.0.0.255:")
	})
	cancel()
	err := <-ended
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "data of the leader") {
		t.Errorf("no leader: %v", err)
	}
}
