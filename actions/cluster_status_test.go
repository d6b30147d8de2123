package actions_test

import (
	"testing"
)

// TestClusterStatusWithoutCluster: there is nothing yet, and that is no error.
func TestClusterStatusWithoutCluster(t *testing.T) {
	t.Parallel()
	output := wantCompleted(t, newMachine(t, 1).run(t, "get-cluster-status", `null`))
	if output["initialized"] != false || output["leader"] != false || len(output["nodes"].([]any)) != 0 {
		t.Errorf("got %v", output)
	}
}

// TestClusterStatus: nodes are as their records say, whoever is a peer here; what
// wg0 has to say of them is seen in the lab.
func TestClusterStatus(t *testing.T) {
	t.Parallel()
	m, ctx := newLeader(t), t.Context()
	in := newRequest(t)
	wantCompleted(t, m.run(t, "add-node", encode(t, in)))
	must(t, m.client.MSet(ctx, "cluster/ui_name", "home", "node/2/ui_name", "attic").Err())
	must(t, m.client.SAdd(ctx, "node/1/ui_name", "no string").Err())
	output := wantCompleted(t, m.run(t, "get-cluster-status", `null`))
	for field, want := range map[string]any{
		"initialized": true, "leader": true, "ui_name": "home", "leader_url": "https://node1.example.com/cluster-admin/",
	} {
		if output[field] != want {
			t.Errorf("%s is %v, want %v", field, output[field], want)
		}
	}
	nodes := output["nodes"].([]any)
	if len(nodes) != 2 {
		t.Fatalf("nodes are %v", nodes)
	}
	first, second := nodes[0].(map[string]any), nodes[1].(map[string]any)
	if first["id"] != 1.0 || first["local"] != true || first["online"] != true || first["ui_name"] != "" {
		t.Errorf("node 1 is %v", first)
	}
	vpn := second["vpn"].(map[string]any)
	if second["local"] != false || second["online"] != false || second["ui_name"] != "attic" ||
		vpn["ip_address"] != m.address(t, 2) || vpn["public_key"] != in.PublicKey || vpn["last_seen"] != 0.0 {
		t.Errorf("node 2 is %v", second)
	}
}

// TestClusterStatusURL: whatever form the leader's endpoint has.
func TestClusterStatusURL(t *testing.T) {
	t.Parallel()
	m := newLeader(t)
	for endpoint, want := range map[string]string{
		"[2001:db8::1]:55820": "https://[2001:db8::1]/cluster-admin/", "203.0.113.1:55820": "https://203.0.113.1/cluster-admin/",
		"": "", "rubbish": "",
	} {
		must(t, m.client.HSet(t.Context(), "node/1/vpn", "endpoint", endpoint).Err())
		if output := wantCompleted(t, m.run(t, "get-cluster-status", `null`)); output["leader_url"] != want {
			t.Errorf("%q: leader_url is %v", endpoint, output["leader_url"])
		}
	}
}
