package node

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
	"cluster-agent/worker/redisq"
)

// kinds are those of the problems found.
func kinds(s vpn.Status) string {
	all := make([]string, 0, len(s.Problems))
	for _, p := range s.Problems {
		all = append(all, string(p.Kind))
	}
	return strings.Join(all, " ")
}

// member puts the records of a cluster, led by node 1, into the Redis of a
// machine. The VPN addresses of the nodes are those where their servers are, on loopback.
func member(t *testing.T, s *redistest.Server, servers ...*redistest.Server) {
	t.Helper()
	client := s.Client()
	must(t, client.Set(t.Context(), "cluster/network", "127.0.0.0/8", 0).Err())
	must(t, client.HSet(t.Context(), "cluster/environment", "NODE_ID", 1).Err())
	for i, server := range servers {
		must(t, client.HSet(t.Context(), fmt.Sprintf("node/%d/vpn", i+1),
			"public_key", vpntest.Key(i+1).String(), "ip_address", server.Addr.String(), "endpoint", "").Err())
		must(t, client.Set(t.Context(), fmt.Sprintf("node/%d/ui_name", i+1), fmt.Sprintf("number %d", i+1), 0).Err())
	}
}

func TestStatusWithoutCluster(t *testing.T) {
	t.Parallel()
	bare := &Machine{Files: host.NewFiles(t.TempDir()), Log: quietLog()}
	if got := kinds(bare.Status(t.Context())); got != "not-prepared" {
		t.Errorf("unprepared machine: %s", got)
	}
	m, _, _ := newMachine(t, 1)
	if got := kinds(m.Status(t.Context())); got != "no-cluster" {
		t.Errorf("prepared machine: %s", got)
	}
}

func TestStatusOfUnreadableFiles(t *testing.T) {
	t.Parallel()
	m, _, _ := newMachine(t, 1)
	for _, path := range []string{m.Files.WireGuardConf(), m.Files.HostsFile()} {
		must(t, os.RemoveAll(path))
		must(t, os.MkdirAll(path, 0o750)) // a directory cannot be read as a file
	}
	failed := m.facts(t.Context()).Failed
	if failed[vpn.AskFile] == nil || failed[vpn.AskHosts] == nil {
		t.Errorf("failed: %v", failed)
	}
}

// TestFactsOfLeader: what a leader's Redis knows, from a real one with a real
// replica.
func TestFactsOfLeader(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	replica := redistest.Start(t)
	member(t, server, server, replica)
	replica.Follow(server)
	connection := redisq.Connect(redisq.Server{Address: server.Address(), Name: "node/2"}, 1)
	t.Cleanup(func() { must(t, connection.Close()) })
	must(t, connection.Ping(t.Context()).Err())

	f := m.facts(t.Context())
	if len(f.Failed) > 0 || f.Leader != nil {
		t.Errorf("failed: %v, leader: %v", f.Failed, f.Leader)
	}
	if f.Cluster.Self != 1 || f.Cluster.Leader != 1 || len(f.Cluster.Nodes) != 2 || f.Names[2] != "number 2" || f.State.Time.IsZero() {
		t.Errorf("records: %+v, names %v, time %v", f.Cluster, f.Names, f.State.Time)
	}
	if r := f.Replication; !r.Master || len(r.Replicas) != 1 || r.Replicas[0].Address != replica.Addr || !r.Replicas[0].Online {
		t.Errorf("replication: %+v", r)
	}
	if !slices.Equal(f.Agents, []string{"node/2"}) {
		t.Errorf("agents: %v", f.Agents)
	}
}

// TestFactsOfWorker: what a worker learns from its own Redis and the leader's.
func TestFactsOfWorker(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	leader := redistest.Start(t)
	member(t, leader, leader, server)
	_, err := m.Files.SetHost(t.Context(), host.LeaderName, leader.Addr)
	must(t, err)
	server.Follow(leader)
	listener := redisq.Connect(redisq.Server{Address: server.Address(), Name: "node/2"}, 1)
	t.Cleanup(func() { must(t, listener.Close()) })
	events := listener.PSubscribe(t.Context(), "*/event/*")
	t.Cleanup(func() { must(t, events.Close()) })
	_, err = events.Receive(t.Context())
	must(t, err)

	f := m.facts(t.Context())
	if len(f.Failed) > 0 || f.LeaderName != leader.Addr || !slices.Equal(f.Agents, []string{"node/2"}) {
		t.Errorf("failed: %v, leader's name: %v, agents: %v", f.Failed, f.LeaderName, f.Agents)
	}
	if r := f.Replication; r.Master || r.Source != leader.Addr || !r.LinkUp || r.Copying {
		t.Errorf("replication: %+v", r)
	}
	// redistest's servers know the user node/1 only.
	want := &vpn.LeaderView{Master: true, Recorded: true}
	if diff := cmp.Diff(want, f.Leader); diff != "" {
		t.Errorf("leader (-want +got):\n%s", diff)
	}
	must(t, leader.Client().Do(t.Context(), "ACL", "SETUSER", "node/2", "on", "#"+redistest.PasswordHash(), "+ping").Err())
	must(t, leader.Client().Del(t.Context(), "node/2/vpn").Err())
	want = &vpn.LeaderView{Master: true, Admits: true}
	if diff := cmp.Diff(want, m.facts(t.Context()).Leader); diff != "" {
		t.Errorf("leader, after the removal (-want +got):\n%s", diff)
	}
}

// TestStatusIsNotHeldUp: neither by a Redis nor by a name server that is silent.
func TestStatusIsNotHeldUp(t *testing.T) {
	t.Parallel()
	const most = localTime + leaderTime + 4*time.Second // a busy machine
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, server, leader *redistest.Server, m *Machine)
		failed vpn.Question
		want   string
	}{
		"local Redis": {func(_ *testing.T, server, _ *redistest.Server, _ *Machine) { server.Pause() }, vpn.AskRecords, "Redis here cannot be asked"},
		"leader's Redis": {
			func(_ *testing.T, _, leader *redistest.Server, _ *Machine) { leader.Pause() }, vpn.AskLeader, "does not answer through the VPN: no answer",
		},
		"name server": {func(t *testing.T, server, _ *redistest.Server, m *Machine) {
			t.Helper()
			must(t, server.Client().HSet(t.Context(), "node/1/vpn", "endpoint", "slow.example.com:55820").Err())
			m.Resolver = vpntest.Names{"slow.example.com": nil}
		}, "", "slow.example.com:55820 does not resolve (name server: no answer)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, server, _ := newMachine(t, 2)
			leader := redistest.Start(t)
			member(t, server, leader, server)
			member(t, leader, leader, server)
			c.spoil(t, server, leader, m)
			began := time.Now()
			facts := m.facts(t.Context())
			if took := time.Since(began); took > most {
				t.Errorf("it took %v", took)
			}
			if err := facts.Failed[c.failed]; c.failed != "" && err == nil {
				t.Errorf("failed: %v", facts.Failed)
			}
			facts.Failed[vpn.AskInterface] = nil // whatever this machine has
			facts.State.Peers = nil
			text := vpn.StatusOf(withLink(facts)).Text(false)
			if !strings.Contains(text, c.want) {
				t.Errorf("%q is not in\n%s", c.want, text)
			}
		})
	}
}

// withLink pretends that wg0 has a link to the leader: without one, that is all
// that is said.
func withLink(f vpn.Facts) vpn.Facts {
	f.State.Exists, f.State.Up = true, true
	f.State.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	f.State.Peers = []vpn.Peer{{Key: vpntest.Key(1), LastHandshake: f.State.Time}}
	return f
}

func TestStatusOfDeadRedis(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	member(t, server, server)
	server.Kill()
	s := m.Status(t.Context())
	if !strings.HasPrefix(kinds(s), "unknown") || s.OK || s.Self != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStatusOfEndedContext(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	member(t, server, server)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s := m.Status(ctx); s.OK {
		t.Errorf("%+v", s)
	}
}

func TestParseReplication(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fields map[string]string
		want   vpn.Replication
	}{
		{"nothing", nil, vpn.Replication{}},
		{"master", map[string]string{
			"role": "master", "master_repl_offset": "42",
			"slave0": "ip=10.5.4.2,port=6379,state=online,offset=40,lag=1",
			"slave1": "ip=10.5.4.3,port=6379,state=wait_bgsave,offset=0,lag=0",
			"slave2": "ip=somewhere,port=6379",
		}, vpn.Replication{Master: true, Offset: 42, Replicas: []vpn.ReplicaLink{
			{Address: netip.MustParseAddr("10.5.4.2"), Online: true, Offset: 40, Silence: time.Second},
			{Address: netip.MustParseAddr("10.5.4.3")},
		}}},
		{"replica", map[string]string{
			"role": "slave", "master_host": "10.5.4.1", "master_link_status": "up", "master_last_io_seconds_ago": "3",
			"master_sync_in_progress": "0", "master_repl_offset": "7",
		}, vpn.Replication{Source: netip.MustParseAddr("10.5.4.1"), LinkUp: true, Silence: 3 * time.Second, Offset: 7}},
		{"replica of nobody", map[string]string{
			"role": "slave", "master_host": "10.5.4.1", "master_link_status": "down", "master_last_io_seconds_ago": "-1",
			"master_sync_in_progress": "1", "master_link_down_since_seconds": "90",
		}, vpn.Replication{Source: netip.MustParseAddr("10.5.4.1"), Copying: true, Down: 90 * time.Second}},
	} {
		got := parseReplication(c.fields)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
