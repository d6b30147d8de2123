package actions_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"

	"cluster-agent/vpn/vpntest"
)

func TestCreateClusterErrors(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	for _, c := range []struct {
		network string
		code    int
		name    string
	}{
		{"10.5.4.1/24", 3, "not_a_valid_ipv4_network"}, // host bits
		{"10.5.4.0", 3, "not_a_valid_ipv4_network"},
		{"10.5.4.0/33", 3, "not_a_valid_ipv4_network"},
		{"10.5.4.0/31", 3, "not_a_valid_ipv4_network"}, // no room for two nodes
		{"10.5.4.0/255.255.255.0", 3, "not_a_valid_ipv4_network"},
		{"fd00::/64", 3, "not_a_valid_ipv4_network"},
		{"::ffff:10.5.4.0/120", 3, "not_a_valid_ipv4_network"},
		{"network", 3, "not_a_valid_ipv4_network"},
		{"0.0.0.0/0", 2, "not_a_private_network"},
		{"192.0.2.0/24", 2, "not_a_private_network"},
		{"100.64.0.0/16", 2, "not_a_private_network"}, // RFC 6598, not 1918
		{"10.0.0.0/7", 2, "not_a_private_network"},    // half of it
		{"172.32.0.0/16", 2, "not_a_private_network"},
		{"192.168.0.0/15", 2, "not_a_private_network"},
	} {
		wantInvalid(t, m.run(t, "create-cluster", createIn(c.network)), verdict{c.code, "network", c.name, c.network})
	}
	for _, endpoint := range []string{"node1.example.com", "2001:db8::1", "node1:0", "node1:65536", "no de:1", ":55820"} {
		data := encode(t, map[string]string{"network": m.network.String(), "endpoint": endpoint})
		wantInvalid(t, m.run(t, "create-cluster", data), verdict{10, "endpoint", "endpoint_format", endpoint})
	}
	wantNoCluster(t, m)
}

// wantNoCluster checks that nothing has been begun.
func wantNoCluster(t *testing.T, m *machine) {
	t.Helper()
	if keys := m.keys(t); len(keys) != 1 || m.asked.all() != "" {
		t.Errorf("keys %v, services %s", keys, m.asked.all())
	}
	if _, err := os.Stat(m.Files.WireGuardConf()); !os.IsNotExist(err) {
		t.Errorf("wg0.conf: %v", err)
	}
}

// TestCreateClusterNetworkInUse needs a machine that is in a private network.
func TestCreateClusterNetworkInUse(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, os.Getenv("CI") == "true") {
		return
	}
	vpntest.Command(t, "ip", "address", "add", "10.5.0.7/16", "dev", "eth0")
	vpntest.Command(t, "ip", "route", "add", "192.168.7.0/24", "via", "203.0.113.1")
	m := newMachine(t, 1)
	for _, network := range []string{"10.5.4.0/24", "10.0.0.0/8", "192.168.7.128/25"} {
		wantInvalid(t, m.run(t, "create-cluster", createIn(network)), verdict{2, "network", "network_in_use", network})
	}
	wantNoCluster(t, m)
	wantCompleted(t, m.run(t, "create-cluster", createIn("10.6.4.0/24")))
}

func TestCreateCluster(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	ctx := t.Context()
	output := wantCompleted(t, m.run(t, "create-cluster", createIn(m.network.String())))
	if len(output) != 1 || output["ip_address"] != m.address(t, 1) {
		t.Errorf("output %v", output)
	}
	key, err := m.Files.Keys()
	must(t, err)
	record := m.client.HGetAll(ctx, "node/1/vpn").Val()
	for field, want := range map[string]string{
		"public_key": key.PublicKey().String(), "ip_address": m.address(t, 1), "destinations": "", "endpoint": "node1.example.com:55820",
	} {
		if got, found := record[field]; !found || got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if got := m.client.Get(ctx, "cluster/network").Val(); got != m.network.String() {
		t.Errorf("network %q", got)
	}
	if _, err := uuid.Parse(m.client.Get(ctx, "cluster/uuid").Val()); err != nil {
		t.Error(err)
	}
	if got := m.client.HGet(ctx, "cluster/environment", "NODE_ID").Val(); got != "1" {
		t.Errorf("leader %q", got)
	}
	if users := strings.Join(m.client.SMembers(ctx, "cluster/acls").Val(), "\n"); !strings.HasPrefix(users, "user node/1 ") {
		t.Errorf("shared users: %s", users)
	}
	wantHub(t, m)

	// It is on disk before anyone is told.
	m.redis.Kill()
	m.redis.Run()
	if m.client.Exists(ctx, "cluster/network", "node/1/vpn", "cluster/uuid").Val() != 3 {
		t.Error("the cluster does not survive a power cut")
	}
	wantInvalid(t, m.run(t, "create-cluster", createIn(m.network.String())), verdict{2, "network", "cluster_network_already_set", m.network})
}

// wantHub checks files and services of the first node.
func wantHub(t *testing.T, m *machine) {
	t.Helper()
	conf := read(t, m.Files.WireGuardConf())
	for _, line := range []string{"Address = " + m.address(t, 1) + "/", "ListenPort = 55820\n", "PrivateKey = "} {
		if strings.Count(conf, line) != 1 {
			t.Errorf("line %q in\n%s", line, conf)
		}
	}
	if got := m.asked.all(); got != "wg enable, wg restart" {
		t.Errorf("services: %s", got)
	}
	for _, name := range []string{"cluster-leader", "cluster-localnode"} {
		if got, found, err := m.Files.Host(name); err != nil || !found || got.String() != m.address(t, 1) {
			t.Errorf("%s is %v, %v, %v", name, got, found, err)
		}
	}
	bind := m.client.ConfigGet(t.Context(), "bind").Val()["bind"]
	if bind != m.redis.Addr.String()+" -"+m.address(t, 1) {
		t.Errorf("Redis listens on %s", bind)
	}
}

// TestCreateClusterKeepsTheUUID: an installer may have given the node one.
func TestCreateClusterKeepsTheUUID(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	must(t, m.client.Set(t.Context(), "cluster/uuid", "the uuid", 0).Err())
	wantCompleted(t, m.run(t, "create-cluster", createIn(m.network.String())))
	if got := m.client.Get(t.Context(), "cluster/uuid").Val(); got != "the uuid" {
		t.Errorf("uuid %q", got)
	}
}

// TestCreateClusterAgain: one that was interrupted, or failed, can be repeated.
func TestCreateClusterAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	must(t, os.Rename(m.Files.PrivateKey(), m.Files.PrivateKey()+".away"))
	wantFailed(t, m.run(t, "create-cluster", createIn(m.network.String())), "WireGuard key")
	wantNoCluster(t, m)
	must(t, os.Rename(m.Files.PrivateKey()+".away", m.Files.PrivateKey()))
	wantCompleted(t, m.run(t, "create-cluster", createIn(m.network.String())))
}
