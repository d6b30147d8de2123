package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
)

// newTwo is node 1, which leads, and the Redis of node 2, which follows it.
func newTwo(t *testing.T) (m *Machine, server, other *redistest.Server) {
	t.Helper()
	m, server, _ = newMachine(t, 1)
	other = redistest.Start(t)
	createCluster(t, server, 1)
	record(t, server, 1, server.Addr, "192.0.2.1:55820")
	record(t, server, 2, other.Addr, "192.0.2.2:55820")
	other.Follow(server)
	return m, server, other
}

// newHungHandOver is node 1, whose Redis has told that of node 2 to lead, which hangs, and
// nobody waits for that any more.
func newHungHandOver(t *testing.T) *Machine {
	t.Helper()
	m, server, target := newTwo(t)
	target.Pause()
	must(t, server.Client().Do(t.Context(), "FAILOVER", "TO", target.Addr.String(), "6379", "FORCE", "TIMEOUT", 10).Err())
	server.Eventually("have told the other to lead", func() bool {
		begun, err := cluster.NewStore(server.Client()).HandOverBegun(t.Context())
		return err == nil && begun
	})
	return m
}

func wantMaster(t *testing.T, m *Machine) {
	t.Helper()
	role, err := m.Role(t.Context())
	must(t, err)
	if !role.Master {
		t.Errorf("the role is %+v: nobody leads", role)
	}
}

// filesOf are those that change with the leader.
func filesOf(t *testing.T, m *Machine) string {
	t.Helper()
	var path string
	must(t, m.with(func(s *session) (err error) { path, err = s.ConfigFile(t.Context()); return err }))
	return read(t, m.Files.HostsFile()) + read(t, path)
}

// A hand-over whose agent was killed, and whose target does not accept, is ended by the
// loop after some time.
func TestHungHandOver(t *testing.T) {
	t.Parallel()
	m := newHungHandOver(t)
	log := &strings.Builder{}
	m.Log.Logger.SetOutput(log)
	look := func() (again time.Time) {
		must(t, m.with(func(s *session) error {
			var err error
			again, err = m.endHandOver(t.Context(), s)
			return err
		}))
		return again
	}
	if look().IsZero() || log.Len() > 0 {
		t.Errorf("it is not looked at again, or too early to say: %s", log)
	}
	// Until then this node stays what it was: the hub of the others, as a replica by name.
	m.vigil.followed = true
	files := filesOf(t, m)
	report, err := m.Settle(t.Context())
	must(t, err)
	if report.Again.IsZero() || m.vigil.followed || filesOf(t, m) != files {
		t.Errorf("it is not left alone: %+v, %v; files\n%s\nwere\n%s", report, m.vigil, filesOf(t, m), files)
	}
	must(t, m.with(func(s *session) error {
		if records, _, err := s.records(t.Context()); err != nil || records.Leader != 1 {
			t.Errorf("node %d leads: %v", records.Leader, err)
		}
		return nil
	}))
	m.vigil.handOverSince = m.vigil.handOverSince.Add(-acceptTime)
	if !look().IsZero() || !strings.Contains(log.String(), "this node's Redis is the master again") {
		t.Errorf("the log says %q", log)
	}
	wantMaster(t, m)
}

// A person's order does not wait for that.
func TestSwitchEndsAHungHandOver(t *testing.T) {
	t.Parallel()
	m := newHungHandOver(t)
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	// That there is no wg0 here is of no matter.
	err := m.SwitchLeader(t.Context(), Switch{Leader: 1, Force: true, Wait: time.Second, Say: say})
	t.Logf("switch-leader: %v", err)
	wantMaster(t, m)
	if len(said) == 0 || !strings.Contains(said[0], "is ended") {
		t.Errorf("it says %q", said)
	}
}

// A leader that is to follow one that claims to lead, and does not any more, hands nothing over.
func TestGoingHomeHandsNothingOver(t *testing.T) {
	t.Parallel()
	m, _, _ := newTwo(t)
	must(t, m.with(func(s *session) error {
		records, _, err := s.snapshot(t.Context())
		must(t, err)
		node, _ := records.Node(2)
		err = m.goHome(t.Context(), s, claim{Leadership: cluster.Leadership{Epoch: 5, Node: 2}, node: node})
		if err == nil || !strings.Contains(err.Error(), "does not lead") {
			t.Errorf("error is %v", err)
		}
		return nil
	}))
	wantMaster(t, m)
}

// Who waits for another change of this node's leader or VPN says so.
func TestWaitIsTold(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	unlock, err := m.Files.Lock(t.Context(), lockName)
	must(t, err)
	said, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.SwitchLeader(t.Context(), Switch{Leader: 9, Say: func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }})
	}()
	if got := <-said; !strings.Contains(got, "waiting for another change") {
		t.Errorf("it says %q", got)
	}
	must(t, unlock())
	<-ended
}

// A hand-over that is accepted when a person's order is about to end it has come about: the
// order finds a leader that answers, and makes no second one.
func TestSwitchBesideAHandOverThatIsAccepted(t *testing.T) {
	t.Parallel()
	m, server, target := newTwo(t)
	store := cluster.NewStore(server.Client())
	must(t, store.Login(t.Context(), "cluster", redistest.Password))
	target.Pause()
	must(t, server.Client().Do(t.Context(), "FAILOVER", "TO", target.Addr.String(), "6379", "FORCE", "TIMEOUT", 10).Err())
	server.Eventually("have told the other to lead", func() bool {
		begun, err := store.HandOverBegun(t.Context())
		return err == nil && begun
	})
	must(t, m.with(func(s *session) error {
		sw, err := m.beginSwitch(t.Context(), s, Switch{Leader: 1, Wait: time.Second, Say: t.Logf})
		must(t, err)
		target.Continue()
		server.Eventually("be a replica", func() bool {
			role, roleErr := store.Role(t.Context())
			return roleErr == nil && role.LinkUp
		})
		must(t, sw.endHandOver(t.Context()))
		if err = sw.run(t.Context()); !errors.Is(err, ErrLeaderAlive) {
			t.Errorf("switch-leader: %v", err)
		}
		return nil
	}))
	if role, err := store.Role(t.Context()); err != nil || role.Master {
		t.Errorf("a second leader: %+v, %v", role, err)
	}
}
