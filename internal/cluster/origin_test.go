package cluster

import "testing"

// A leader's origin covers what its predecessor had written up to there, and nothing of
// another stream.
func TestCovers(t *testing.T) {
	t.Parallel()
	origin := Origin{Stream: "a", Offset: 100}
	for place, want := range map[Place]bool{
		{Stream: "a", Offset: 99}:  true,
		{Stream: "a", Offset: 100}: true,
		{Stream: "a", Offset: 101}: false,
		{Stream: "b", Offset: 1}:   false,
		{}:                         false,
	} {
		if origin.Covers(place) != want {
			t.Errorf("covers %+v: %v", place, !want)
		}
	}
	if (Origin{}).Covers(Place{}) {
		t.Error("an unknown origin covers nothing")
	}
}

// A replica that is made a master records where it left its master's stream, so that the
// master can tell whether it has written anything since.
func TestOriginOfANewLeader(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ctx := t.Context()
	must(t, p.client.Set(ctx, "both", "have it", 0).Err())
	p.replica.Eventually("have the write", func() bool { return p.replica.Client().Get(ctx, "both").Val() == "have it" })
	next := NewStore(p.replica.Client())
	must(t, next.Lead(ctx))
	must(t, next.SetLeader(ctx, Leadership{Epoch: 2, Node: 2}, ""))
	origin, err := next.Origin(ctx)
	must(t, err)
	covered := func() bool {
		place, err := p.store.Place(ctx)
		must(t, err)
		return origin.Covers(place)
	}
	if !covered() {
		t.Errorf("%+v does not cover what both have", origin)
	}
	must(t, p.client.Set(ctx, "alone", "has it", 0).Err())
	if covered() {
		t.Errorf("%+v covers what was written to the former leader alone", origin)
	}
}

func TestLaterThan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		one, other Leadership
		want       bool
	}{
		{Leadership{Epoch: 3, Node: 2}, Leadership{Epoch: 2, Node: 1}, true},
		{Leadership{Epoch: 2, Node: 1}, Leadership{Epoch: 3, Node: 2}, false},
		{Leadership{Epoch: 3, Node: 1}, Leadership{Epoch: 3, Node: 2}, true},
		{Leadership{Epoch: 3, Node: 2}, Leadership{Epoch: 3, Node: 1}, false},
		{Leadership{Epoch: 3, Node: 2}, Leadership{Epoch: 3, Node: 2}, false},
	} {
		if c.one.LaterThan(c.other) != c.want {
			t.Errorf("%+v later than %+v: %v", c.one, c.other, !c.want)
		}
	}
}
