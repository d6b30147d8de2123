package cluster

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

func newKey(t *testing.T) wgtypes.Key {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	must(t, err)
	return key.PublicKey()
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	if _, err := store.Network(ctx); !errors.Is(err, ErrNoNetwork) {
		t.Errorf("no cluster yet: %v", err)
	}
	if _, _, err := store.Snapshot(ctx, 1); !errors.Is(err, ErrNoNetwork) {
		t.Errorf("snapshot of no cluster: %v", err)
	}
	must(t, client.Set(ctx, "cluster/network", "10.5.4.0/24", 0).Err())
	if got, err := store.Network(ctx); err != nil || got != netip.MustParsePrefix("10.5.4.0/24") {
		t.Errorf("network: %v, %v", got, err)
	}
	for _, rubbish := range []string{"", "10.5.4.0", "10.5.4.0/33", "no network"} {
		must(t, client.Set(ctx, "cluster/network", rubbish, 0).Err())
		if got, err := store.Network(ctx); err == nil || errors.Is(err, ErrNoNetwork) || !strings.Contains(err.Error(), "cluster/network") {
			t.Errorf("network %q: %v, %v", rubbish, got, err)
		}
	}
	must(t, client.Del(ctx, "cluster/network").Err())
	must(t, client.RPush(ctx, "cluster/network", "10.5.4.0/24").Err())
	if got, err := store.Network(ctx); err == nil || errors.Is(err, ErrNoNetwork) {
		t.Errorf("network that is a list: %v, %v", got, err)
	}
}

func TestLeader(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	if got, err := store.Leader(ctx); err == nil {
		t.Errorf("nobody leads: %d", got)
	}
	must(t, store.SetLeader(ctx, Leadership{Epoch: 2, Node: 3}, "node3.example.com:55820"))
	if got, err := store.Leader(ctx); err != nil || got != 3 {
		t.Errorf("leader: %d, %v", got, err)
	}
	if got := client.HGet(ctx, "node/3/vpn", "endpoint").Val(); got != "node3.example.com:55820" {
		t.Errorf("endpoint of the leader: %q", got)
	}
	must(t, store.SetLeader(ctx, Leadership{Epoch: 3, Node: 3}, "")) // no endpoint named: that of the record stays
	if got := client.HGet(ctx, "node/3/vpn", "endpoint").Val(); got != "node3.example.com:55820" {
		t.Errorf("endpoint of the leader afterwards: %q", got)
	}
	for _, rubbish := range []string{"", "0", "-1", "node/1", "1.5", "99999999999999999999"} {
		must(t, client.HSet(ctx, "cluster/environment", "NODE_ID", rubbish).Err())
		if got, err := store.Leader(ctx); err == nil {
			t.Errorf("leader %q: %d", rubbish, got)
		}
	}
}

func TestNodesAmongRubbish(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	good := vpn.Node{
		ID: 10, PublicKey: newKey(t), Address: netip.MustParseAddr("10.5.4.10"),
		Destinations: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
		Endpoint:     "[2001:db8::1]:55820",
	}
	must(t, client.HSet(ctx, VPNKey(good.ID), nodeFields(good)...).Err())
	bare := vpn.Node{ID: 2, PublicKey: newKey(t), Address: netip.MustParseAddr("10.5.4.2")}
	must(t, client.HSet(ctx, VPNKey(bare.ID), nodeFields(bare)...).Err())
	for _, command := range [][]any{
		{"SET", "node/3/vpn", "no hash"},
		{"HSET", "node/4/vpn", "public_key", "no key", "ip_address", "10.5.4.4", "destinations", "", "endpoint", ""},
		{"HSET", "node/5/vpn", "public_key", newKey(t).String(), "ip_address", "10.5.4.555", "destinations", "192.0.2.3 there"},
		// None of these is a node's record.
		{"HSET", "node/0/vpn", "ip_address", "10.5.4.6"},
		{"HSET", "node/-1/vpn", "ip_address", "10.5.4.6"},
		{"HSET", "node/07/vpn", "ip_address", "10.5.4.7"},
		{"HSET", "node/x/vpn", "ip_address", "10.5.4.8"},
		{"HSET", "node/8/sub/vpn", "ip_address", "10.5.4.8"},
		{"HSET", "node/99999999999999999999/vpn", "ip_address", "10.5.4.9"},
		{"SADD", "node/9/flags", "nomodules"},
	} {
		must(t, client.Do(ctx, command...).Err())
	}
	nodes, warnings, err := store.Nodes(ctx)
	must(t, err)
	ids := make([]int, 0, len(nodes))
	for _, node := range nodes {
		ids = append(ids, node.ID)
	}
	if !slices.Equal(ids, []int{2, 3, 4, 5, 10}) {
		t.Fatalf("nodes %v", ids)
	}
	if !reflect.DeepEqual(nodes[4], good) || !reflect.DeepEqual(nodes[0], bare) {
		t.Errorf("good records:\n%+v\n%+v", nodes[4], nodes[0])
	}
	if nodes[3].Address.IsValid() || len(nodes[3].Destinations) != 1 || nodes[2].PublicKey != (wgtypes.Key{}) {
		t.Errorf("bad fields: %+v, %+v", nodes[3], nodes[2])
	}
	wantWarnings(t, warnings, map[int]int{0: 5, 3: 1, 4: 1, 5: 2})
	for i, want := range map[int]string{
		0: `"node/-1/vpn" is no node's record: nodes are numbered from 1`,
		5: "node/3/vpn is of type string, not a hash",
	} {
		if warnings[i].Text != want {
			t.Errorf("got %s, want %s", warnings[i], want)
		}
	}
}

// wantWarnings checks how many warnings each node has.
func wantWarnings(t *testing.T, warnings []vpn.Warning, want map[int]int) {
	t.Helper()
	got := map[int]int{}
	for _, warning := range warnings {
		got[warning.Node]++
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("warnings for each node: %v, want %v\n%v", got, want, warnings)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	first := vpn.Node{ID: 1, PublicKey: newKey(t), Address: netip.MustParseAddr("10.5.4.1"), Endpoint: "192.0.2.1:55820"}
	must(t, store.Create(ctx, "10.5.4.0/24", first, "the uuid"))
	must(t, client.Set(ctx, "node/2/vpn", "no hash", 0).Err())

	got, warnings, err := store.Snapshot(ctx, 2)
	must(t, err)
	wantWarnings(t, warnings, map[int]int{2: 1})
	want := vpn.Cluster{Self: 2, Leader: 1, Network: netip.MustParsePrefix("10.5.4.0/24"), Nodes: []vpn.Node{first, {ID: 2}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for sequence, last := range map[string]int{"7": 7, "seven": 0} {
		must(t, client.Set(ctx, "cluster/node_sequence", sequence, 0).Err())
		got, warnings, err = store.Snapshot(ctx, 2)
		must(t, err)
		if got.LastID != last || len(warnings) != 2-min(last, 1) {
			t.Errorf("sequence %s: %d, %v", sequence, got.LastID, warnings)
		}
	}

	// Created anew, the cluster keeps its UUID.
	must(t, store.Create(ctx, "10.5.5.0/24", first, "another uuid"))
	if uuid := client.Get(ctx, "cluster/uuid").Val(); uuid != "the uuid" {
		t.Errorf("uuid %q", uuid)
	}
	must(t, client.HDel(ctx, "cluster/environment", "NODE_ID").Err())
	if _, _, err := store.Snapshot(ctx, 2); err == nil || !strings.Contains(err.Error(), "NODE_ID") {
		t.Errorf("without a leader: %v", err)
	}
}

// TestReadingsOfASilentRedis: a broken connection is no rubbish record.
func TestReadingsOfASilentRedis(t *testing.T) {
	t.Parallel()
	store, _, server := newStore(t)
	server.Kill()
	if _, _, err := store.Nodes(t.Context()); err == nil {
		t.Error("nodes without Redis")
	}
	if _, err := store.Network(t.Context()); err == nil || errors.Is(err, ErrNoNetwork) {
		t.Errorf("network without Redis: %v", err)
	}
}
