package node

import (
	"testing"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

// A rival that was heard of once counts for some time, since a question may get lost, but
// not against a leadership that is later than its own.
func TestRivalMemory(t *testing.T) {
	t.Parallel()
	own := cluster.Leadership{Epoch: 3, Node: 1}
	of := func(epoch int64, node int) claim {
		return claim{Leadership: cluster.Leadership{Epoch: epoch, Node: node}}
	}
	began := time.Now()
	var memory rivalMemory
	for i, step := range []struct {
		after          time.Duration
		claims         []claim
		own            cluster.Leadership
		want           int // the rival's node; 0: none is found
		answers, found bool
	}{
		{after: 0, own: own},
		{after: time.Second, claims: []claim{of(4, 3)}, own: own, want: 3, answers: true, found: true},
		{after: 2 * time.Second, own: own, want: 3, found: true},
		{after: 3 * time.Second, own: cluster.Leadership{Epoch: 5, Node: 1}},
		{after: rivalLife, claims: []claim{of(4, 3), of(5, 2)}, own: own, want: 2, answers: true, found: true},
		{after: rivalLife + time.Second, claims: []claim{of(4, 3)}, own: own, want: 2, found: true},
		{after: rivalLife + 2*time.Second, own: own, want: 2, found: true},
		{after: 2 * rivalLife, own: own},
	} {
		c, answers, found := memory.recall(step.claims, step.own, began.Add(step.after))
		if found != step.found || found && (c.Node != step.want || answers != step.answers) {
			t.Errorf("step %d: node %d, %v, %v", i, c.Node, answers, found)
		}
	}
}

// An old claim that comes soon does not cut off the others, which may be far away.
func TestAnOldClaimHurriesNobody(t *testing.T) {
	t.Parallel()
	m, _, _ := newMachine(t, 1)
	old, far := redistest.Start(t), redistest.Start(t)
	createCluster(t, old, 2)
	must(t, old.Client().Set(t.Context(), "cluster/uuid", "one", 0).Err())
	setLeadership(t, old, cluster.Leadership{Epoch: 2, Node: 2})
	far.Pause()
	began := time.Now()
	heard := m.hear(t.Context(), []vpn.Node{{ID: 2, Address: old.Addr}, {ID: 3, Address: far.Addr}}, "one", cluster.Leadership{Epoch: 3, Node: 3})
	if took := time.Since(began); len(heard.claims) != 1 || took < claimTime {
		t.Errorf("%d claims; the other node had %s to answer, not %s", len(heard.claims), took, claimTime)
	}
}
