package vpn_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/vpn"
)

// TestStatusProblems: each problem is named with why and what to do, and what
// follows from another is not.
func TestStatusProblems(t *testing.T) {
	t.Parallel()
	refused := &fs.PathError{Op: "open", Path: "/var/lib/x", Err: fs.ErrPermission}
	for _, c := range []struct {
		name   string
		self   int
		change func(f *vpn.Facts)
		want   string // kind, node: why; the beginning of what to do
	}{
		{
			"not root", 1, func(f *vpn.Facts) { f.Failed[vpn.AskMachine] = fmt.Errorf("read: %w", refused) },
			"not-root 0: only root may look: open /var/lib/x: permission denied; call it as root",
		},
		{"not prepared", 1, func(f *vpn.Facts) {
			f.Failed[vpn.AskMachine] = fmt.Errorf("read: %w", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist})
		}, "not-prepared 0: this machine is not prepared to be a node: open /x: file does not exist; run agent setup-node"},
		{
			"bad settings", 1, func(f *vpn.Facts) { f.Failed[vpn.AskMachine] = errors.New("NODE_ID=x") },
			"not-prepared 0: this machine's own settings cannot be read: NODE_ID=x; repair",
		},
		{"half a set of records", 1, func(f *vpn.Facts) {
			f.Cluster.Leader, f.Cluster.Nodes = 0, nil
			f.Failed[vpn.AskRecords] = errors.New("read NODE_ID")
		}, "unknown 0: the cluster's records cannot be read: read NODE_ID; repair them"},
		{
			"record gone here", 3, func(f *vpn.Facts) { f.Cluster.Nodes = f.Cluster.Nodes[:2] },
			"removed 3: it is in the cluster no more: Redis here has no record node/3/vpn; it keeps",
		},

		{
			"no right to see wg0", 1, func(f *vpn.Facts) { f.Failed[vpn.AskInterface] = refused },
			"not-root 0: only root may look at wg0: open /var/lib/x: permission denied; call",
		},
		{"wg0 hangs", 1, func(f *vpn.Facts) { f.Failed[vpn.AskInterface] = errors.New("wait") }, "unknown 1: wg0 cannot be read: wait; bring"},
		{"wg0 hangs on a worker", 3, func(f *vpn.Facts) {
			f.Failed[vpn.AskInterface], f.Failed[vpn.AskLeader], f.Leader = errors.New("wait: context deadline exceeded"), errors.New("x"), nil
		}, "unknown 3: wg0 cannot be read: no answer; bring"},
		{"no wg0", 1, func(f *vpn.Facts) {
			f.State.Exists, f.State.Peers, f.State.Routes, f.Agents = false, nil, nil, []string{"cluster", "node/1"}
		}, "interface 1: there is no WireGuard interface wg0; run apply-vpn-routes"},
		{"wg0 down", 1, func(f *vpn.Facts) { f.State.Up = false }, "interface 1: wg0 is down; run apply-vpn-routes"},
		{"no network", 3, func(f *vpn.Facts) { f.State.Networks = nil; quiet(f, 1, time.Hour) }, "no-network 3: this machine has no network address besides those of the VPN; check"},

		{"dead leader", 3, func(f *vpn.Facts) {
			quiet(f, 1, 3*time.Minute)
			f.Failed[vpn.AskLeader], f.Leader, f.Replication.LinkUp = errors.New("no"), nil, false
		}, "handshake 1: no handshake for 3 minutes: its endpoint 198.51.100.1:55820 does not answer; check that UDP port 55820 is open there and that the node is on; if it is lost, run switch-leader"},
		{"leader without endpoint", 3, func(f *vpn.Facts) {
			named(f, 1, "", "")
			quiet(f, 1, 0)
		}, "handshake 1: no handshake so far: it has no endpoint, so this node cannot call it; correct it on the leader"},
		{
			"roamed and silent", 1, func(f *vpn.Facts) { quiet(f, 2, 136*time.Second) },
			"handshake 2: no handshake for 2 minutes: it was last heard of at 192.0.2.2:41820 and does not answer there; check that the node is on",
		},
		{"fresh enough", 1, func(f *vpn.Facts) { quiet(f, 2, 134*time.Second) }, ""},
		{"nobody is linked", 1, func(f *vpn.Facts) {
			for id := 2; id <= 4; id++ {
				quiet(f, id, time.Hour)
			}
			f.Replication.Replicas, f.Agents = nil, []string{"cluster", "node/1"}
		}, `
			handshake 2: no handshake for 60 minutes: it was last heard of at 192.0.2.2:41820 and does not answer there; check
			handshake 3: no handshake for 60 minutes: its endpoint 198.51.100.3:55820 does not answer; check
			handshake 4: no handshake for 60 minutes: it was last heard of at 192.0.2.4:41820 and does not answer there; check
			leader 1: no node at all is linked to this one, which believes that it leads; if another leads now, run switch-leader here with it`},

		{"no such name, link up", 1, func(f *vpn.Facts) {
			named(f, 3, "n3.example.com:55820", "look up name: lookup n3.example.com on 192.0.2.53:53: no such host")
		}, `endpoint 3: its endpoint n3.example.com:55820 does not resolve (no such host), while the link is up at 198.51.100.3:55820; correct it on the leader: api-cli run set-node-endpoint --data '{"node_id":3,"endpoint":"HOST:PORT"}'`},
		{"no name server, link dead", 1, func(f *vpn.Facts) {
			named(f, 3, "n3.example.com:55820", "look up name: lookup n3.example.com: i/o timeout")
			quiet(f, 3, time.Hour)
		}, "endpoint 3: no handshake for 60 minutes: its endpoint n3.example.com:55820 does not resolve (name server: no answer); check the name servers of this machine"},
		{"name into the tunnel", 1, func(f *vpn.Facts) {
			named(f, 3, "n3.example.com:55820", "address inside the cluster network 10.5.4.0/24")
		}, "endpoint 3: its endpoint n3.example.com:55820 is of no use: address inside the cluster network 10.5.4.0/24, while the link is up at 198.51.100.3:55820; correct"},
		{
			"no port", 1, func(f *vpn.Facts) { named(f, 3, "n3.example.com", "missing port") },
			`endpoint 3: its endpoint "n3.example.com" is of no use: missing port, while the link is up at 198.51.100.3:55820; correct`,
		},
		{
			"no port of its own", 1, func(f *vpn.Facts) { f.Cluster.Nodes[0].Endpoint = "n1" },
			`endpoint 1: its endpoint "n1" is of no use: missing port; correct`,
		},
		{
			"no port of another worker", 3, func(f *vpn.Facts) { f.Cluster.Nodes[1].Endpoint = "n2" },
			`endpoint 2: its endpoint "n2" is of no use: missing port; correct`,
		},

		{"bad records", 1, func(f *vpn.Facts) {
			f.Warnings = []vpn.Warning{{Node: 2, Text: `destination "x": not an IP address`}, {Text: "odd"}}
		}, `
			record 2: destination "x": not an IP address; correct node/2/vpn in the leader's Redis
			record 0: odd; correct the records in the leader's Redis`},
		{"key of another", 1, func(f *vpn.Facts) {
			f.Cluster.Nodes[3].PublicKey = key(2)
			f.State.Peers, f.File = f.State.Peers[:2], nil
			f.State.Routes = slices.DeleteFunc(f.State.Routes, func(r vpn.Route) bool {
				return r.Dst.Addr() == addr("10.5.4.4") || r.Dst.Addr() == addr("192.168.4.10")
			})
			f.Replication.Replicas, f.Agents = f.Replication.Replicas[:2], f.Agents[:4]
		}, "record 4: public_key key2 is also the key of node 2; correct node/4/vpn"},
		{
			"many routes", 1, func(f *vpn.Facts) { f.State.Routes = nil },
			"route 1: no route through wg0 to 10.5.4.2 (node 2), 10.5.4.3 (node 3), 10.5.4.4 (node 4) and 3 more; run apply-vpn-routes",
		},
		{"a peer and an address", 1, func(f *vpn.Facts) {
			f.State.Addresses, f.State.Peers = nil, f.State.Peers[1:]
			f.Replication.Replicas = f.Replication.Replicas[1:]
		}, "difference 1: wg0 is not what Redis says (2 changes in the list of differences); run apply-vpn-routes"},
		{"routes of wg-quick", 1, func(f *vpn.Facts) {
			for i := range f.State.Routes {
				f.State.Routes[i].Protocol = vpn.ProtocolBoot
			}
		}, "difference 1: wg0 is not what Redis says (6 changes in the list of differences); run apply-vpn-routes"},

		{"leader silent", 3, func(f *vpn.Facts) {
			f.Leader, f.Failed[vpn.AskLeader] = nil, errors.New("ask for the role: i/o timeout")
			f.Replication.Silence = time.Hour
		}, "leader 1: its Redis does not answer through the VPN: no answer; check that the node is on"},
		{
			"leader leads no more", 3, func(f *vpn.Facts) { f.Leader.Master = false },
			"leader 1: its Redis is a replica, although the records say that it leads; if the leader is not being changed",
		},
		{
			"not let in", 3, func(f *vpn.Facts) { f.Leader.Admits = false; f.Replication.LinkUp = false },
			"agent 3: the leader's Redis refuses the user node/3, by which this node follows it; join again",
		},
		{
			"wrong name", 3, func(f *vpn.Facts) { f.LeaderName = addr("10.5.4.2") },
			"leader 3: the name cluster-leader is 10.5.4.2 in the hosts file, not 10.5.4.1, so that agents here miss the leader's Redis; check",
		},
		{
			"no name", 3, func(f *vpn.Facts) { f.LeaderName = netip.Addr{} },
			"leader 3: the name cluster-leader is not in the hosts file, not 10.5.4.1",
		},
		{"loopback on the leader", 1, func(f *vpn.Facts) { f.LeaderName = addr("127.0.0.1") }, ""},

		{
			"leader that follows", 1, func(f *vpn.Facts) { f.Replication = vpn.Replication{Source: addr("10.5.4.3")} },
			"replication 1: Redis here is a replica of 10.5.4.3, although this node leads; if another",
		},
		{
			"replica missing", 1, func(f *vpn.Facts) { f.Replication.Replicas = f.Replication.Replicas[1:] },
			"replication 2: its Redis does not follow this one; check that the node is on",
		},
		{
			"replica copying", 1, func(f *vpn.Facts) { f.Replication.Replicas[0].Online = false },
			"replication 2: its Redis is still getting a first copy of all data; wait",
		},
		{
			"replica silent", 1, func(f *vpn.Facts) { f.Replication.Replicas[0].Silence = 4 * time.Second },
			"replication 2: its Redis has acknowledged nothing for 4 seconds; check",
		},
		{
			"replica behind", 1, func(f *vpn.Facts) { f.Replication.Replicas[0].Offset = 1 << 20 },
			"replication 2: its Redis is 4 MiB behind; wait",
		},
		{"replica that acknowledged nothing yet", 1, func(f *vpn.Facts) { f.Replication.Replicas[0].Offset = 0 }, ""},
		{
			"worker as master", 3, func(f *vpn.Facts) { f.Replication = vpn.Replication{Master: true} },
			"replication 3: Redis here is a master, although node 1 leads; run switch-leader --node 1 here",
		},
		{
			"follows another", 3, func(f *vpn.Facts) { f.Replication.Source = addr("10.5.4.2") },
			"replication 3: Redis here follows 10.5.4.2, not the leader at 10.5.4.1; run switch-leader --node 1 here",
		},
		{
			"copying", 3, func(f *vpn.Facts) { f.Replication.LinkUp, f.Replication.Copying = false, true },
			"replication 3: Redis here is still getting a first copy of all data; wait",
		},
		{
			"no link", 3, func(f *vpn.Facts) { f.Replication.LinkUp, f.Replication.Down = false, 40*time.Second },
			"replication 3: Redis here has had no link to the leader's for 40 seconds: its data are old; check",
		},
		{
			"no link, nobody knows since when", 3, func(f *vpn.Facts) { f.Replication.LinkUp = false },
			"replication 3: Redis here has had no link to the leader's: its data are old; check",
		},
		{
			"nothing heard", 3, func(f *vpn.Facts) { f.Replication.Silence = time.Minute },
			"replication 3: Redis here has heard nothing of the leader's for 60 seconds; check",
		},
		{"replication not told", 3, func(f *vpn.Facts) {
			f.Failed[vpn.AskReplication], f.Failed[vpn.AskAgents] = errors.New("x"), errors.New("y")
		}, "unknown 3: Redis here does not tell its replication: x; check"},

		{"no cluster agent", 3, func(f *vpn.Facts) { gone(f, "cluster") }, "agent 3: agent cluster is not connected to Redis here; check it with systemctl status agent@cluster"},
		{"no node agent here", 3, func(f *vpn.Facts) { gone(f, "node/3") }, "agent 3: agent node/3 is not connected to Redis here; check it with systemctl status agent@node"},
		{"no node agent there", 1, func(f *vpn.Facts) { gone(f, "node/3") }, "agent 3: agent node/3 is not connected to Redis here; check it there with"},
		{"connections not told", 1, func(f *vpn.Facts) { f.Failed[vpn.AskAgents] = errors.New("y") }, "unknown 1: Redis here does not tell who is connected: y; check"},
		{"files not read", 1, func(f *vpn.Facts) {
			f.Failed[vpn.AskFile], f.Failed[vpn.AskHosts], f.Failed[vpn.AskNames] = errors.New("a"), errors.New("b"), errors.New("c")
		}, `
			unknown 1: c; repair
			unknown 1: a; repair
			unknown 1: b; repair`},
	} {
		f := wellOn(t, c.self)
		c.change(&f)
		status := vpn.StatusOf(f)
		var want []string
		for line := range strings.Lines(strings.TrimSpace(c.want)) {
			want = append(want, strings.TrimSpace(line))
		}
		got := make([]string, 0, len(status.Problems))
		for i, p := range status.Problems {
			line := readable(fmt.Sprintf("%s %d: %s; %s", p.Kind, p.Node, p.Why, p.Do))
			if p.Do == "" || strings.ContainsAny(line, "\n") {
				t.Errorf("%s: %q says nothing to do, or more than a line", c.name, line)
			}
			if i < len(want) && strings.HasPrefix(line, want[i]) {
				line = want[i]
			}
			got = append(got, line)
		}
		if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, a, b)
		}
		if status.OK != (len(want) == 0) {
			t.Errorf("%s: ok is %v", c.name, status.OK)
		}
	}
}
