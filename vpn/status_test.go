package vpn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cluster-agent/vpn"
)

func TestStatusText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		self   int
		change func(f *vpn.Facts)
		want   string
	}{
		{"leader, well", 1, nil, `
		Node 1, this node, leads a cluster of 4 nodes in 10.5.4.0/24.

		NODE       ADDRESS   ENDPOINT            HANDSHAKE  IN       OUT     STATE
		1          10.5.4.1  198.51.100.1:55820  -          -        -       this node, leader
		2          10.5.4.2  192.0.2.2:41820     6 s ago    2.4 MiB  1023 B  up
		3 (attic)  10.5.4.3  198.51.100.3:55820  9 s ago    3.5 MiB  1023 B  up
		4          10.5.4.4  192.0.2.4:41820     12 s ago   4.7 MiB  1023 B  up

		All is well.
		`},
		{"worker, well", 3, nil, `
		Node 1 leads a cluster of 4 nodes in 10.5.4.0/24. This is node 3 (attic).

		NODE       ADDRESS   ENDPOINT            HANDSHAKE  IN       OUT     STATE
		1          10.5.4.1  198.51.100.1:55820  3 s ago    1.2 MiB  1023 B  up, leader
		2          10.5.4.2  -                   -          -        -       through the hub
		3 (attic)  10.5.4.3  198.51.100.3:55820  -          -        -       this node
		4          10.5.4.4  -                   -          -        -       through the hub

		All is well.
		`},
		{"much at once", 1, func(f *vpn.Facts) {
			quiet(f, 3, 7*time.Minute)
			quiet(f, 4, 0)
			f.Cluster.Nodes[1].Destinations = append(f.Cluster.Nodes[1].Destinations, addr("203.0.113.9"))
			f.State.Routes = f.State.Routes[1:]
			f.State.Peers = append(f.State.Peers, peer(8, "10.5.4.200/32", "192.168.9.0/24"), peer(9))
			f.File = append(f.File, vpn.ConfPeer{Node: 9, Key: key(9)})
			f.Names[2] = "a name that is far too long for a table"
			f.Names[4] = "\x1b[31mred"
			gone(f, "node/3", "node/4") // follows from the dead links
		}, `
		Node 1, this node, leads a cluster of 4 nodes in 10.5.4.0/24.

		NODE              ADDRESS     ENDPOINT            HANDSHAKE  IN       OUT     STATE
		1                 10.5.4.1    198.51.100.1:55820  -          -        -       this node, leader
		2 (a name that …  10.5.4.2    192.0.2.2:41820     6 s ago    2.4 MiB  1023 B  up
		3 (attic)         10.5.4.3    198.51.100.3:55820  7 min ago  3.5 MiB  1023 B  stale
		4 (?[31mred)      10.5.4.4    -                   never      0 B      1023 B  never
		KEY-008…          10.5.4.200  -                   never      0 B      0 B     not of the cluster
		KEY-009…          -           -                   never      0 B      0 B     no node any more

		Differs from Redis:
		  peer set node 2 key2: allowed +203.0.113.9
		  peer remove key9
		  route add 10.5.4.2

		On purpose not in the tunnel:
		  node 2: 203.0.113.9 is not routed: it is reached directly in 203.0.113.0/24

		4 problems:
		  node 3 (attic): no handshake for 7 minutes: its endpoint 198.51.100.3:55820 does not answer; check that UDP port 55820 is open there and that the node is on
		  node 4 (?[31mred): no handshake so far: it has no endpoint, and has not called here; check that join-node was run there and that its network lets UDP out to 198.51.100.1:55820, or take it back with remove-node
		  this node: no route through wg0 to 10.5.4.2 (node 2); run apply-vpn-routes, as the node agent does every 30 s if it runs here
		  this node: wg0 is not what Redis says (2 changes in the list of differences); run apply-vpn-routes, as the node agent does every 30 s if it runs here
		`},
		{"Redis is off", 1, func(f *vpn.Facts) {
			f.Cluster = vpn.Cluster{Self: 1}
			f.Failed[vpn.AskRecords] = errors.New("read cluster/network: dial tcp 127.0.0.1:6379: connect: connection refused")
			f.Names = nil
			quiet(f, 4, 49*time.Hour)
		}, `
		This is node 1.

		NODE  ADDRESS  ENDPOINT            HANDSHAKE  IN       OUT     STATE
		2     -        192.0.2.2:41820     6 s ago    2.4 MiB  1023 B  up
		3     -        198.51.100.3:55820  9 s ago    3.5 MiB  1023 B  up
		4     -        192.0.2.4:41820     2 d ago    4.7 MiB  1023 B  stale

		2 problems:
		  this node: Redis here cannot be asked: connection refused; check it with systemctl status redis-server, and its log in /var/log/redis
		  node 4: no handshake for 2 days: it was last heard of at 192.0.2.4:41820 and does not answer there; check that the node is on and that its network lets UDP out to this node's port 55820
		`},
		{"removed", 3, func(f *vpn.Facts) { f.Leader.Recorded = false; f.Leader.Admits = false; quiet(f, 1, time.Hour) }, `
		Node 1 leads a cluster of 4 nodes in 10.5.4.0/24. This is node 3 (attic).

		NODE       ADDRESS   ENDPOINT            HANDSHAKE   IN       OUT     STATE
		1          10.5.4.1  198.51.100.1:55820  60 min ago  1.2 MiB  1023 B  stale, leader
		2          10.5.4.2  -                   -           -        -       through the hub
		3 (attic)  10.5.4.3  198.51.100.3:55820  -           -        -       this node
		4          10.5.4.4  -                   -           -        -       through the hub

		1 problem:
		  this node: it is in the cluster no more: Redis on the leader has no record node/3/vpn; it keeps what it has; to join again, begin with agent join-request
		`},
		{"no cluster", 1, func(f *vpn.Facts) {
			*f = vpn.Facts{Cluster: vpn.Cluster{Self: 1}, State: vpn.State{Time: now}}
		}, `
		1 problem:
		  this node is in no cluster yet; make one with api-cli run create-cluster, or join one: agent join-request prints what add-node on its leader has to know
		`},
	} {
		f := wellOn(t, c.self)
		if c.change != nil {
			c.change(&f)
		}
		status := vpn.StatusOf(f)
		got := strings.NewReplacer(key(8).String()[:7], "KEY-008", key(9).String()[:7], "KEY-009").Replace(readable(status.Text(false)))
		if want := trimmed(c.want); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, want)
		}
		if status.OK != strings.HasSuffix(got, "All is well.\n") {
			t.Errorf("%s: ok is %v", c.name, status.OK)
		}
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	f := wellOn(t, 3)
	f.State.Peers = append(f.State.Peers, peer(8, "10.5.4.200/32"))
	f.State.Routes = f.State.Routes[1:]
	text, err := json.Marshal(vpn.StatusOf(f))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2023-11-14T22:13:20Z","ok":false,"node":3,"leader":1,"network":"10.5.4.0/24",` +
		`"interface":{"exists":true,"up":true,"public_key":"key3","listen_port":55820},"peers":[` +
		`{"id":1,"name":"","ip_address":"10.5.4.1","public_key":"key1","leader":true,"state":"up","endpoint":"198.51.100.1:55820",` +
		`"configured_endpoint":"198.51.100.1:55820","last_handshake":1699999997,"received":1234567,"sent":1023},` +
		`{"id":2,"name":"","ip_address":"10.5.4.2","public_key":"key2","leader":false,"state":"hub","endpoint":"",` +
		`"configured_endpoint":"","last_handshake":0,"received":0,"sent":0},` +
		`{"id":3,"name":"attic","ip_address":"10.5.4.3","public_key":"key3","leader":false,"state":"local","endpoint":"",` +
		`"configured_endpoint":"198.51.100.3:55820","last_handshake":0,"received":0,"sent":0},` +
		`{"id":4,"name":"","ip_address":"10.5.4.4","public_key":"key4","leader":false,"state":"hub","endpoint":"",` +
		`"configured_endpoint":"","last_handshake":0,"received":0,"sent":0},` +
		`{"id":0,"name":"","ip_address":"10.5.4.200/32","public_key":"key8","leader":false,"state":"foreign","endpoint":"",` +
		`"configured_endpoint":"","last_handshake":0,"received":0,"sent":0}],` +
		`"differences":["route add 10.5.4.1/32"],` +
		`"problems":[{"kind":"route","node":3,"why":"no route through wg0 to 10.5.4.1 (node 1)",` +
		`"do":"run apply-vpn-routes, as the node agent does every 30 s if it runs here"}],"notes":[]}`
	got := string(text)
	for n := range 20 {
		got = strings.ReplaceAll(got, key(n).String(), fmt.Sprintf("key%d", n))
	}
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	empty, err := json.Marshal(vpn.StatusOf(vpn.Facts{}))
	if err != nil || strings.Contains(string(empty), "null") {
		t.Errorf("%s, %v", empty, err)
	}
}

// TestStatusStates: what becomes of nodes of which wg0 says nothing.
func TestStatusStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(f *vpn.Facts)
		want   string
	}{
		{"well", func(*vpn.Facts) {}, "local up up up"},
		{"no peer", func(f *vpn.Facts) { f.State.Peers = f.State.Peers[1:] }, "local missing up up"},
		{"no wg0", func(f *vpn.Facts) { f.State.Exists, f.State.Peers = false, nil }, "local missing missing missing"},
		{"unreadable", func(f *vpn.Facts) {
			f.State, f.Failed[vpn.AskInterface] = vpn.State{Time: now}, errors.New("x")
		}, "local unknown unknown unknown"},
		{"keys of others", func(f *vpn.Facts) {
			f.Cluster.Nodes[1].PublicKey, f.Cluster.Nodes[3].PublicKey = key(1), key(3)
		}, "local missing up missing former former"},
		{"a record without key", func(f *vpn.Facts) { f.Cluster.Nodes[1] = vpn.Node{ID: 2} }, "local missing up up former"},
	} {
		f := wellOn(t, 1)
		c.change(&f)
		peers := vpn.StatusOf(f).Peers
		got := make([]string, 0, len(peers))
		for _, p := range peers {
			got = append(got, string(p.State))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// TestStatusColour: colours mark words, and change nothing else.
func TestStatusColour(t *testing.T) {
	t.Parallel()
	f := wellOn(t, 1)
	quiet(&f, 2, time.Hour)
	status := vpn.StatusOf(f)
	coloured := status.Text(true)
	for _, want := range []string{"\033[32mup\033[m\n", "\033[31mstale\033[m\n", "\033[31m1 problem:\033[m\n"} {
		if !strings.Contains(coloured, want) {
			t.Errorf("%q is not in %q", want, coloured)
		}
	}
	if got := strings.NewReplacer("\033[32m", "", "\033[31m", "", "\033[m", "").Replace(coloured); got != status.Text(false) {
		t.Errorf("without its colours it is %s", got)
	}
	for line := range strings.Lines(vpn.StatusOf(wellOn(t, 1)).Text(false)) {
		if len(line) > 100 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
