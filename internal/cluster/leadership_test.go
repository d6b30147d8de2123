package cluster

import "testing"

func TestLeadership(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	ctx := t.Context()
	want := func(what string, want Leadership) {
		t.Helper()
		if got, err := store.Leadership(ctx); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
		}
	}
	want("no record", Leadership{})
	must(t, store.SetLeader(ctx, Leadership{Epoch: 7, Node: 3}, ""))
	want("set with the leader", Leadership{Epoch: 7, Node: 3})
	must(t, store.SetLeadership(ctx, Leadership{Epoch: 8, Node: 2}))
	want("set alone", Leadership{Epoch: 8, Node: 2})
	for _, rubbish := range [][]any{
		{"epoch", "x"}, {"epoch", "-1"}, {"epoch", "0"}, {"epoch", "99999999999999999999"}, {"epoch", "9", "node_id", "node/2"},
	} {
		must(t, client.HSet(ctx, leadershipKey, rubbish...).Err())
		want("rubbish", Leadership{})
		must(t, store.SetLeadership(ctx, Leadership{Epoch: 8, Node: 2}))
	}
	must(t, client.Set(ctx, leadershipKey, "no hash", 0).Err())
	want("another type", Leadership{})
	must(t, store.SetLeadership(ctx, Leadership{Epoch: 9, Node: 1}))
	want("another type, replaced", Leadership{Epoch: 9, Node: 1})
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	known := Leadership{Epoch: 5, Node: 2}
	for order, old := range map[Leadership]bool{
		{Epoch: 4, Node: 3}: true,
		{Epoch: 4, Node: 2}: true,
		{Epoch: 5, Node: 3}: true,  // in that epoch another node has come to lead
		{Epoch: 5, Node: 2}: false, // said twice
		{Epoch: 6, Node: 3}: false,
		{Node: 3}:           false, // without epochs
	} {
		if got := order.OlderThan(known); got != old {
			t.Errorf("%+v: %v", order, got)
		}
	}
	if (Leadership{Epoch: 1, Node: 3}).OlderThan(Leadership{}) {
		t.Error("older than nothing")
	}
}
