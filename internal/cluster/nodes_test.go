package cluster

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

func TestNextID(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	if last, err := store.LastID(ctx); err != nil || last != 0 {
		t.Errorf("none given out: %d, %v", last, err)
	}
	for want := 1; want <= 3; want++ {
		id, err := store.NextID(ctx)
		must(t, err)
		last, err := store.LastID(ctx)
		must(t, err)
		if id != want || last != want {
			t.Errorf("id %d, last %d, want %d", id, last, want)
		}
	}
	must(t, client.Set(ctx, "cluster/node_sequence", "rubbish", 0).Err())
	if last, err := store.LastID(ctx); err == nil {
		t.Errorf("last of a rubbish sequence: %d", last)
	}
	if id, err := store.NextID(ctx); err == nil {
		t.Errorf("next of a rubbish sequence: %d", id)
	}
}

func TestAddNode(t *testing.T) {
	t.Parallel()
	store, client, server := newStore(t)
	ctx := t.Context()
	node := vpn.Node{ID: 7, PublicKey: newKey(t), Address: netip.MustParseAddr("10.5.4.7"), Endpoint: "node7:55820"}
	must(t, store.AddNode(ctx, NewNode{Node: node, Flags: []string{"nomodules", "small"}, PasswordHash: redistest.PasswordHash()}))

	fields := client.HGetAll(ctx, "node/7/vpn").Val()
	want := map[string]string{
		"public_key": node.PublicKey.String(), "ip_address": "10.5.4.7", "destinations": "", "endpoint": "node7:55820",
	}
	for name, value := range want {
		if got, found := fields[name]; !found || got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	flags := client.SMembers(ctx, "node/7/flags").Val()
	slices.Sort(flags)
	if !slices.Equal(flags, []string{"nomodules", "small"}) {
		t.Errorf("flags %v", flags)
	}
	if err := server.ClientOf("node/7", redistest.Password).Ping(ctx).Err(); err != nil {
		t.Errorf("log in as the new node: %v", err)
	}
}

func TestAddNodeKeepsUnknownFields(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	must(t, client.HSet(ctx, "node/2/vpn", "of_an_administrator", "1", "endpoint", "old").Err())
	node := vpn.Node{ID: 2, PublicKey: newKey(t), Address: netip.MustParseAddr("10.5.4.2")}
	must(t, store.AddNode(ctx, NewNode{Node: node, PasswordHash: redistest.PasswordHash()}))
	fields := client.HGetAll(ctx, "node/2/vpn").Val()
	if fields["of_an_administrator"] != "1" || fields["endpoint"] != "" {
		t.Errorf("record %v", fields)
	}
}

// TestPersistSurvivesPowerCut is hazard 18: a node id given out just before a
// crash must not be given out again.
func TestPersistSurvivesPowerCut(t *testing.T) {
	t.Parallel()
	store, _, server := newStore(t)
	ctx := t.Context()
	_, err := store.NextID(ctx)
	must(t, err)
	must(t, store.Persist(ctx))
	server.Kill()
	server.Run()
	if id, err := store.NextID(ctx); err != nil || id != 2 {
		t.Errorf("after the power cut: %d, %v", id, err)
	}
}

// TestPersistDuringBackgroundSave: the save under way has begun too early.
func TestPersistDuringBackgroundSave(t *testing.T) {
	t.Parallel()
	store, client, server := newStore(t, "rdb-key-save-delay 3000")
	ctx := t.Context()
	pairs := map[string]any{}
	for i := range 100 {
		pairs[strings.Repeat("x", i+1)] = i
	}
	must(t, client.MSet(ctx, pairs).Err())
	must(t, client.BgSave(ctx).Err())
	_, err := store.NextID(ctx)
	must(t, err)
	must(t, store.Persist(ctx))
	server.Kill()
	server.Run()
	if last, err := store.LastID(ctx); err != nil || last != 1 {
		t.Errorf("after the power cut: %d, %v", last, err)
	}
}

// TestBeginSave: nobody waits for the data, and one save after the other is asked for.
func TestBeginSave(t *testing.T) {
	t.Parallel()
	store, _, server := newStore(t, "rdb-key-save-delay 1000000")
	ctx := t.Context()
	_, err := store.NextID(ctx)
	must(t, err)
	for _, want := range []bool{true, false} {
		begun, beginErr := store.BeginSave(ctx)
		if must(t, beginErr); begun != want {
			t.Errorf("begun: %v", begun)
		}
	}
	saved, err := store.Saved(ctx)
	if must(t, err); saved {
		t.Error("it has waited for the data")
	}
	server.Eventually("have saved", func() bool {
		saved, err = store.Saved(ctx)
		return saved
	})
	must(t, err)
	server.Kill()
	server.Run()
	if last, err := store.LastID(ctx); err != nil || last != 1 {
		t.Errorf("after the power cut: %d, %v", last, err)
	}
}
