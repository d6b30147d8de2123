package node

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
)

// leadership reads the record in a Redis.
func leadership(t *testing.T, server *redistest.Server) cluster.Leadership {
	t.Helper()
	l, err := cluster.NewStore(server.Client()).Leadership(t.Context())
	must(t, err)
	return l
}

func setLeadership(t *testing.T, server *redistest.Server, l cluster.Leadership) {
	t.Helper()
	must(t, cluster.NewStore(server.Client()).SetLeadership(t.Context(), l))
}

// keepIn runs keepLeadership as a run of Settle does.
func keepIn(t *testing.T, m *Machine) {
	t.Helper()
	must(t, m.with(func(s *session) error { return m.keepLeadership(t.Context(), s) }))
}

// A leader whose records do not say in which epoch it leads makes them say so, once, and
// in an epoch that nobody has heard of yet.
func TestLeaderKeepsItsLeadership(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	record(t, server, 1, server.Addr, "192.0.2.1:55820")
	for _, c := range []struct{ recorded, want cluster.Leadership }{
		{cluster.Leadership{}, cluster.Leadership{Epoch: 1, Node: 1}},
		{cluster.Leadership{Epoch: 1, Node: 1}, cluster.Leadership{Epoch: 1, Node: 1}},
		{cluster.Leadership{Epoch: 4, Node: 3}, cluster.Leadership{Epoch: 5, Node: 1}},
		{cluster.Leadership{Epoch: 2, Node: 3}, cluster.Leadership{Epoch: 6, Node: 1}}, // it remembers 5
	} {
		if c.recorded.Epoch > 0 {
			setLeadership(t, server, c.recorded)
		}
		for range 2 {
			keepIn(t, m)
		}
		if got := leadership(t, server); got != c.want {
			t.Errorf("record %+v became %+v, want %+v", c.recorded, got, c.want)
		}
	}
	next, err := m.NextLeadership(t.Context(), 2, "n2:55820")
	if err != nil || next != (cluster.Leadership{Epoch: 7, Node: 2}) {
		t.Errorf("next %+v, %v", next, err)
	}
	// A master that the records do not name claims nothing.
	must(t, server.Client().HSet(t.Context(), "cluster/environment", "NODE_ID", 3).Err())
	setLeadership(t, server, cluster.Leadership{Epoch: 6, Node: 3})
	keepIn(t, m)
	if got := leadership(t, server); got.Node != 3 {
		t.Errorf("claims %+v", got)
	}
}

// What a node has heard of counts, also when the Redis that it follows says something
// older; but not after it has become another cluster's, and not against a person.
func TestWorkerRemembersLeaders(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	leader := redistest.Start(t)
	createCluster(t, leader, 2)
	must(t, leader.Client().Set(t.Context(), "cluster/uuid", "one", 0).Err())
	record(t, leader, 1, server.Addr, "")
	record(t, leader, 2, leader.Addr, "192.0.2.2:55820")
	record(t, leader, 3, address("127.0.0.255"), "192.0.2.3:55820")
	setLeadership(t, leader, cluster.Leadership{Epoch: 7, Node: 2})
	server.Follow(leader)
	keepIn(t, m)
	setLeadership(t, leader, cluster.Leadership{Epoch: 3, Node: 2})
	synced := func() {
		server.Eventually("have the record", func() bool { return leadership(t, server) == leadership(t, leader) })
	}
	synced()
	order := Switch{Leader: 3, Planned: true, Epoch: 7, Wait: time.Second}
	hosts := read(t, m.Files.HostsFile())
	if err := m.SwitchLeader(t.Context(), order); !errors.Is(err, ErrOldOrder) || !strings.Contains(err.Error(), "epoch 7, led by node 2") {
		t.Errorf("an old order: %v", err)
	}
	if role, err := m.Role(t.Context()); err != nil || role.Source != leader.Address() || read(t, m.Files.HostsFile()) != hosts {
		t.Errorf("an old order has an effect: %+v, %v", role, err)
	}
	known := func() cluster.Leadership {
		var l cluster.Leadership
		must(t, m.with(func(s *session) (err error) { l, err = m.knownLeadership(t.Context(), s.Store); return err }))
		return l
	}
	if got := known(); got.Epoch != 7 {
		t.Errorf("knows %+v", got)
	}
	must(t, leader.Client().Set(t.Context(), "cluster/uuid", "another", 0).Err())
	setLeadership(t, leader, cluster.Leadership{Epoch: 2, Node: 2})
	synced()
	if got := known(); got.Epoch != 2 {
		t.Errorf("in another cluster it knows %+v", got)
	}
	must(t, leader.Client().Set(t.Context(), "cluster/uuid", "one", 0).Err())
	must(t, m.forgetLeadership())
	must(t, m.forgetLeadership())
	if got := known(); got.Epoch != 2 {
		t.Errorf("knows %+v, which it was to forget", got)
	}
}

// A file that cannot be read costs the memory, not the switch.
func TestDamagedMemoryOfLeaders(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	setLeadership(t, server, cluster.Leadership{Epoch: 4, Node: 1})
	must(t, os.WriteFile(m.leadershipNote().path, []byte("{"), 0o600))
	keepIn(t, m)
	if got := m.readLeadership(); got.Epoch != 4 || got.Node != 1 {
		t.Errorf("remembers %+v", got)
	}
}

// A leader that hands over while its agent looks does not remember that it leads on: nobody
// would be later than that.
func TestLeadershipThatIsNotRecorded(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	next := redistest.Start(t)
	createCluster(t, next, 2)
	setLeadership(t, next, cluster.Leadership{Epoch: 3, Node: 2})
	must(t, m.with(func(s *session) error {
		if role := s.once(t.Context()).role; !role.Master {
			t.Fatalf("role %+v", role)
		}
		server.Follow(next)
		if err := m.keepLeadership(t.Context(), s); err == nil {
			t.Error("a replica has recorded that it leads")
		}
		return nil
	}))
	if got := m.readLeadership(); got.Epoch != 0 {
		t.Errorf("remembers %+v", got)
	}
}
