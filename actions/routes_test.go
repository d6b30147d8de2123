package actions_test

import (
	"net/netip"
	"slices"
	"testing"

	"cluster-agent/vpn/vpntest"
)

// TestUpdateRoutes: destinations are merged, sorted, and announced.
func TestUpdateRoutes(t *testing.T) {
	t.Parallel()
	m, ctx := newLeader(t), t.Context()
	wantCompleted(t, m.run(t, "add-node", encode(t, newRequest(t))))
	for _, c := range []struct{ data, first, second string }{
		{`{}`, "", ""},
		{`{"add":[{"ip_address":"192.168.7.10","node_id":2},{"ip_address":"192.168.7.9","node_id":2},{"ip_address":"192.168.8.1","node_id":1}]}`, "192.168.8.1", "192.168.7.9 192.168.7.10"},
		{`{"add":[{"ip_address":"2001:db8::7","node_id":2},{"ip_address":"192.168.7.9","node_id":2}]}`, "192.168.8.1", "192.168.7.9 192.168.7.10 2001:db8::7"},
		{`{"remove":[{"ip_address":"192.168.7.10","node_id":2},{"ip_address":"192.168.99.1","node_id":2}]}`, "192.168.8.1", "192.168.7.9 2001:db8::7"},
		{`{"remove":[{"ip_address":"192.168.8.1","node_id":1}],"add":[{"ip_address":"192.168.8.1","node_id":2}]}`, "", "192.168.7.9 192.168.8.1 2001:db8::7"},
		{`{"remove":[{"ip_address":"192.168.8.1","node_id":2}],"add":[{"ip_address":"192.168.8.1","node_id":2}]}`, "", "192.168.7.9 192.168.8.1 2001:db8::7"},
	} {
		if announced := m.events(t, "update-routes", c.data); !slices.Equal(announced, []string{"cluster/event/vpn-changed"}) {
			t.Errorf("%s: announced %v", c.data, announced)
		}
		first, second := m.client.HGet(ctx, "node/1/vpn", "destinations").Val(), m.client.HGet(ctx, "node/2/vpn", "destinations").Val()
		if first != c.first || second != c.second {
			t.Errorf("%s: destinations %q and %q, want %q and %q", c.data, first, second, c.first, c.second)
		}
	}
}

// TestUpdateRoutesUnknownNode: then nothing is written, of no node.
func TestUpdateRoutesUnknownNode(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	both := `{"add":[{"ip_address":"192.168.7.1","node_id":1},{"ip_address":"192.168.7.2","node_id":9}]}`
	wantInvalid(t, m.run(t, "update-routes", both), verdict{5, "node_id", "node_not_found", 9})
	if got := m.client.HGet(t.Context(), "node/1/vpn", "destinations").Val(); got != "" {
		t.Errorf("destinations of node 1 are %q", got)
	}
	if m.client.Exists(t.Context(), "node/9/vpn").Val() != 0 {
		t.Error("node 9 has a record now")
	}
}

// TestUpdateRoutesKeepsRubbish: a word that is no address is not ours to delete.
func TestUpdateRoutesKeepsRubbish(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	must(t, m.client.HSet(t.Context(), "node/1/vpn", "destinations", "rubbish 192.168.9.1").Err())
	m.events(t, "update-routes", `{"add":[{"ip_address":"192.168.7.1","node_id":1}]}`)
	if got := m.client.HGet(t.Context(), "node/1/vpn", "destinations").Val(); got != "192.168.7.1 192.168.9.1 rubbish" {
		t.Errorf("destinations are %q", got)
	}
}

func TestSetNodeEndpoint(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	m.Resolver = vpntest.Names{
		"node1.example.com":  {netip.MustParseAddr("203.0.113.7")},
		"inside.example.com": {netip.MustParseAddr(m.address(t, 9))},
	}
	for _, good := range []string{"node1.example.com:55820", "203.0.113.9:1", "[2001:db8::1]:55820", ""} {
		if announced := m.events(t, "set-node-endpoint", `{"node_id":1,"endpoint":"`+good+`"}`); !slices.Equal(announced, []string{"cluster/event/vpn-changed"}) {
			t.Errorf("%q: announced %v", good, announced)
		}
		if got := m.client.HGet(t.Context(), "node/1/vpn", "endpoint").Val(); got != good {
			t.Errorf("endpoint is %q, want %q", got, good)
		}
	}
	inside := m.address(t, 9) + ":55820"
	for bad, name := range map[string]string{
		"node1.example.com": "endpoint_format", "::1:5": "endpoint_format", "h:0": "endpoint_format", ":55820": "endpoint_format",
		"nowhere.example.com:55820": "endpoint_not_resolvable", "inside.example.com:55820": "endpoint_not_resolvable", inside: "endpoint_not_resolvable",
	} {
		code := 10
		if name == "endpoint_not_resolvable" {
			code = 4
		}
		wantInvalid(t, m.run(t, "set-node-endpoint", `{"node_id":1,"endpoint":"`+bad+`"}`), verdict{code, "endpoint", name, bad})
	}
	wantInvalid(t, m.run(t, "set-node-endpoint", `{"node_id":7,"endpoint":""}`), verdict{5, "node_id", "node_not_found", 7})
	if m.client.Exists(t.Context(), "node/7/vpn").Val() != 0 {
		t.Error("node 7 has a record now")
	}
}
