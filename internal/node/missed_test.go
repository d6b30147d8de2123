package node

import (
	"testing"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
)

// newFollower is node 1, whose Redis has just begun to follow node 2. That is the
// master, but has yet to write so: in the records node 3 leads, a replica of it as well.
func newFollower(t *testing.T) (m *Machine, leader *redistest.Server) {
	t.Helper()
	m, server, _ := newMachine(t, 1)
	leader = redistest.Start(t)
	old := redistest.Start(t)
	createCluster(t, leader, 3)
	record(t, leader, 1, server.Addr, "192.0.2.1:55820")
	record(t, leader, 2, leader.Addr, "192.0.2.2:55820")
	record(t, leader, 3, old.Addr, "192.0.2.3:55820")
	old.Follow(leader)
	server.Follow(leader)
	return m, leader
}

// Records that name another leader than the one that is followed are no reason to turn
// back to that: the one that is followed leads, or nobody does and the recorded one is
// known not to.
func TestRecordsBehindTheSwitch(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(leader *redistest.Server){
		"the new leader leads": func(*redistest.Server) {},
		"the new leader does not lead yet": func(leader *redistest.Server) {
			other := redistest.Start(t) // which has the data
			other.Follow(leader)
			must(t, cluster.NewStore(other.Client()).Lead(t.Context()))
			leader.Follow(other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, leader := newFollower(t)
			must(t, m.with(func(s *session) error {
				s.once(t.Context())
				change(leader)
				return m.followRecords(t.Context(), s)
			}))
			role, err := m.Role(t.Context())
			must(t, err)
			if role.Source != leader.Address() {
				t.Errorf("follows %s, not %s", role.Source, leader.Address())
			}
			must(t, m.with(func(s *session) error { return wantLeader(t, s, 2) }))
		})
	}
}

// wantLeader compares whom this node takes for the leader.
func wantLeader(t *testing.T, s *session, want int) error {
	t.Helper()
	records, _, err := s.records(t.Context())
	if records.Leader != want {
		t.Errorf("takes node %d for the leader, not %d", records.Leader, want)
	}
	return err
}

// A master whose records name another is not yet seen as the leader by itself.
func TestRecordsOfAMaster(t *testing.T) {
	t.Parallel()
	m, leader := newFollower(t)
	must(t, m.Redis(func(s *cluster.Store) error { return s.Lead(t.Context()) }))
	leader.Kill()
	must(t, m.with(func(s *session) error { return wantLeader(t, s, 3) }))
}

// A master that nobody follows does not lead because the recorded leader is a replica: that
// may be another's.
func TestLeaderOfAnother(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	recorded, leader := redistest.Start(t), redistest.Start(t)
	createCluster(t, recorded, 1)
	record(t, recorded, 1, recorded.Addr, "192.0.2.1:55820")
	record(t, recorded, 2, server.Addr, "192.0.2.2:55820")
	record(t, recorded, 3, leader.Addr, "192.0.2.3:55820")
	setLeadership(t, recorded, cluster.Leadership{Epoch: 4, Node: 1})
	server.Follow(recorded)
	leader.Follow(recorded)
	for _, s := range []*redistest.Server{server, leader} {
		must(t, cluster.NewStore(s.Client()).Lead(t.Context()))
	}
	recorded.Follow(leader)
	m.vigil.masterSince = time.Now().Add(-time.Minute)
	must(t, m.with(func(s *session) error { return m.followRecords(t.Context(), s) }))
	if got := leadership(t, server); got != (cluster.Leadership{Epoch: 4, Node: 1}) {
		t.Errorf("the records say now %+v", got)
	}
}

// A leader whose records say that another leads may be told so by hand, one command after the
// other: it leads again only if nothing follows for a while.
func TestLeaderToldByHand(t *testing.T) {
	t.Parallel()
	m, server, _ := newTwo(t)
	setLeadership(t, server, cluster.Leadership{Epoch: 4, Node: 1})
	must(t, server.Client().HSet(t.Context(), "cluster/environment", "NODE_ID", "2").Err())
	leaderAfter := func(ago time.Duration) int {
		m.vigil.masterSince = time.Now().Add(-ago)
		err := m.with(func(s *session) error { return m.followRecords(t.Context(), s) })
		t.Logf("without wg0: %v", err)
		leader, err := cluster.NewStore(server.Client()).Leader(t.Context())
		must(t, err)
		return leader
	}
	if leader := leaderAfter(10 * time.Second); leader != 2 {
		t.Errorf("the records name node %d", leader)
	}
	server.Eventually("lead again", func() bool { return leaderAfter(time.Minute) == 1 })
}
