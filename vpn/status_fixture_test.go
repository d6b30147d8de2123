package vpn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cluster-agent/vpn"
)

// wellOn is what is found on a node of the star when all is well: every link
// had its handshake, node N three times N seconds ago.
func wellOn(t *testing.T, self int) vpn.Facts {
	t.Helper()
	f := vpn.Facts{
		Cluster: star(self), State: hostOf(self), Failed: map[vpn.Question]error{},
		Names: map[int]string{3: "attic"}, LeaderName: addr("10.5.4.1"),
	}
	f.State.ListenPort = 55820
	f.Found = resolve(t, f.Cluster, f.State)
	want, _ := vpn.Want(f.Cluster, vpn.Memory{}, f.State, f.Found)
	for _, w := range want.Peers {
		p := vpn.Peer{
			Key: w.Key, Endpoint: w.Configured, AllowedIPs: w.AllowedIPs, Keepalive: w.Keepalive,
			LastHandshake: now.Add(-3 * time.Duration(w.Node) * time.Second), Received: 1234567 * int64(w.Node), Sent: 1023,
		}
		if !p.Endpoint.IsValid() {
			p.Endpoint = addrPort(fmt.Sprintf("192.0.2.%d:41820", w.Node))
		}
		f.State.Peers = append(f.State.Peers, p)
		f.File = append(f.File, vpn.ConfPeer{Node: w.Node, Key: w.Key, Endpoint: w.Configured})
	}
	for _, dst := range want.Routes {
		f.State.Routes = append(f.State.Routes, routes(dst.String())...)
	}
	if self != 1 {
		f.Agents = []string{"cluster", fmt.Sprintf("node/%d", self)}
		f.Replication = vpn.Replication{Source: addr("10.5.4.1"), LinkUp: true, Silence: time.Second}
		f.Leader = &vpn.LeaderView{Master: true, Recorded: true, Admits: true}
		return f
	}
	f.Agents = []string{"cluster", "node/1", "node/2", "node/3", "node/4"}
	f.Replication = vpn.Replication{Master: true, Offset: 5 << 20}
	for _, n := range f.Cluster.Nodes[1:] {
		f.Replication.Replicas = append(f.Replication.Replicas,
			vpn.ReplicaLink{Address: n.Address, Online: true, Offset: 5 << 20, Silence: time.Second})
	}
	return f
}

// quiet makes a peer silent for some time; 0: it was never heard.
func quiet(f *vpn.Facts, node int, since time.Duration) {
	for i := range f.State.Peers {
		p := &f.State.Peers[i]
		if p.Key != key(node) {
			continue
		}
		p.LastHandshake = f.State.Time.Add(-since)
		if since == 0 {
			p.LastHandshake, p.Endpoint, p.Received = time.Time{}, f.Found[node].Endpoint, 0
		}
	}
}

// gone takes agents away.
func gone(f *vpn.Facts, agents ...string) {
	var left []string
	for _, a := range f.Agents {
		if !strings.Contains(" "+strings.Join(agents, " ")+" ", " "+a+" ") {
			left = append(left, a)
		}
	}
	f.Agents = left
}

// named makes the endpoint of a node a name without an address.
func named(f *vpn.Facts, node int, endpoint, why string) {
	f.Cluster.Nodes[node-1].Endpoint = endpoint
	delete(f.Found, node)
	if why != "" {
		f.LookUps = []vpn.Warning{{Node: node, Text: fmt.Sprintf("endpoint %q: %s", endpoint, why)}}
	}
}

// trimmed is a golden text without the indentation of the test's source.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\n\t")) {
		b.WriteString(strings.TrimPrefix(line, "\t\t"))
	}
	return strings.TrimRight(b.String(), "\n\t") + "\n"
}
