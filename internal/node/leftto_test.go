package node

import (
	"errors"
	"testing"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
)

// newReplica is node 2, whose Redis follows that of node 1. The records name node 2.
func newReplica(t *testing.T) (m *Machine, server, source *redistest.Server) {
	t.Helper()
	m, server, _ = newMachine(t, 2)
	source = redistest.Start(t)
	createCluster(t, source, 2)
	record(t, source, 1, source.Addr, "192.0.2.1:55820")
	record(t, source, 2, server.Addr, "192.0.2.2:55820")
	server.Follow(source)
	return m, server, source
}

// Only a replica whose records agree has left the lead to this node.
func TestLeftTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(source, server *redistest.Server)
		want   bool
	}{
		"it follows this node": {func(source, server *redistest.Server) {
			must(t, cluster.NewStore(source.Client()).Follow(t.Context(), server.Addr))
		}, true},
		"it is the master": {func(*redistest.Server, *redistest.Server) {}, false},
		"it follows another, by whose records that leads": {func(source, _ *redistest.Server) {
			other := redistest.Start(t)
			createCluster(t, other, 3)
			source.Follow(other)
		}, false},
		"it is off": {func(source, _ *redistest.Server) { source.Kill() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, server, source := newReplica(t)
			c.change(source, server)
			must(t, m.with(func(s *session) error {
				if got := m.leftTo(t.Context(), s, source.Address()); got != c.want {
					t.Errorf("%v, want %v", got, c.want)
				}
				return nil
			}))
		})
	}
}

// A node that leads by the records, and by those of the one that it follows, takes the
// lead, which nobody else can: each follows the other.
func TestTakeLead(t *testing.T) {
	t.Parallel()
	m, server, source := newReplica(t)
	must(t, source.Client().Set(t.Context(), "cluster/uuid", "one", 0).Err())
	setLeadership(t, source, cluster.Leadership{Epoch: 41, Node: 2})
	server.Eventually("have the record", func() bool { return leadership(t, server).Epoch == 41 })
	must(t, m.leadershipNote().write(remembered{
		Leadership: cluster.Leadership{Epoch: 42, Node: 1}, Cluster: "one",
		Announced: announced{Leadership: cluster.Leadership{Epoch: 43, Node: 3}},
	}))
	must(t, cluster.NewStore(source.Client()).Follow(t.Context(), server.Addr))
	must(t, m.with(func(s *session) error {
		if err := m.followRecords(t.Context(), s); err != nil {
			t.Logf("without wg0: %v", err)
		}
		return nil
	}))
	role, err := m.Role(t.Context())
	must(t, err)
	if !role.Master {
		t.Errorf("role %+v", role)
	}
	if got, want := leadership(t, server), (cluster.Leadership{Epoch: 44, Node: 2}); got != want {
		t.Errorf("it leads in %+v, want %+v: others may have heard of 42 and 43", got, want)
	}
}

// A worker that waits for another node to lead, and whose Redis is made master meanwhile,
// does not follow that node any more.
func TestMadeMasterWhileWaiting(t *testing.T) {
	t.Parallel()
	m, _, source := newReplica(t)
	must(t, m.with(func(s *session) error {
		sw, err := m.beginSwitch(t.Context(), s, Switch{Leader: 1, Planned: true, Wait: time.Second})
		must(t, err)
		if sw.madeMaster(t.Context()) {
			t.Error("a replica is taken for a master")
		}
		must(t, s.Lead(t.Context()))
		if err := sw.leave(t.Context()); !errors.Is(err, errMadeMaster) {
			t.Errorf("leaves all the same: %v", err)
		}
		return nil
	}))
	role, err := m.Role(t.Context())
	must(t, err)
	if !role.Master {
		t.Errorf("follows %s: %+v", source.Address(), role)
	}
}
