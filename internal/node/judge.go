package node

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/vpn"
	"cluster-agent/worker/redisq"
)

// judge finds out whether this node still belongs to the cluster, and makes wg0
// silent or speak if that has changed.
func (m *Machine) judge(ctx context.Context, s *session) (Standing, error) {
	before, err := m.Standing()
	if err != nil {
		m.Log.Warnf("%v: taken for a node that never was a member", err)
	}
	e, err := m.weigh(ctx, s, before)
	if err != nil {
		return before, err
	}
	after := before.next(e, time.Now().UTC().Round(0)) // as the file keeps it
	if after == before {
		return after, nil
	}
	return after, errors.Join(m.enact(ctx, s, before, after), m.setStanding(after))
}

// weigh collects what can be known of this node's membership.
func (m *Machine) weigh(ctx context.Context, s *session, standing Standing) (evidence, error) {
	e := evidence{self: s.self}
	first := !m.begun.Swap(true)
	records, _, err := s.snapshot(ctx)
	if errors.Is(err, cluster.ErrNoNetwork) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	role, err := s.readRole(ctx)
	if err != nil {
		return e, err
	}
	_, present := records.Node(s.self)
	e.member = present && (role.Master || role.LinkUp)
	e.gone = !present && !role.Master && whole(records)
	if standing.Phase == Silent {
		// Whoever starts this anew, or gives wg0 its endpoints back, wants it tried.
		sends := false
		err := m.withReconciler(s.snapshot, func(r *vpn.Reconciler) error {
			var err error
			sends, err = r.Sends(ctx)
			return err
		})
		e.revived = first || sends
		return e, err
	}
	if !role.Master && !role.LinkUp {
		m.askLeader(ctx, role.Source, &e)
	}
	return e, nil
}

// membership is what the Redis at an address says of this node.
type membership struct {
	address string
	known   bool // it leads, and lets this node in
	found   bool // it has the node's record
	refused bool // it leads, and refuses the node's password
}

// whole tells records of a cluster from what is left of them: a Redis that has
// lost its data, or some of it, says nothing of who is a member.
func whole(records vpn.Cluster) bool {
	leader, found := records.Node(records.Leader)
	return found && leader.Address.IsValid() && records.Network.Contains(leader.Address)
}

// askTimeout bounds the question to a leader. A handshake may have to come first.
const askTimeout = 2 * time.Second

// askLeader asks the Redis at an address, as this node's agent, for the node's
// record. What a leader says of it counts more than records of this node's own.
// Silence says nothing, nor does a Redis that does not lead.
func (m *Machine) askLeader(ctx context.Context, address string, e *evidence) {
	credentials, err := m.Files.Credentials(host.NodeAgent)
	if err != nil {
		m.Log.Warnf("ask the leader for this node's record: %v", err)
		return
	}
	said, heard := m.member.put(ctx, m, askTimeout, func(ctx context.Context) membership {
		return m.askMembership(ctx, redisq.Server{Address: address, User: cluster.UserName(e.self), Password: credentials.Password}, e.self)
	})
	switch {
	case !heard, said.address != address:
	case said.known:
		e.member, e.gone = said.found, !said.found
	default:
		e.refused = said.refused
	}
}

func (m *Machine) askMembership(ctx context.Context, server redisq.Server, node int) membership {
	said := membership{address: server.Address}
	found, err := m.askRecord(ctx, server, node)
	switch {
	case err == nil:
		said.known, said.found = true, found
	case redis.HasErrorPrefix(err, "WRONGPASS"):
		leads, askErr := m.askRole(ctx, redisq.Server{Address: server.Address})
		said.refused = askErr == nil && leads
	}
	return said
}

// askRecord asks a leader whether it has the record of a node.
func (m *Machine) askRecord(ctx context.Context, server redisq.Server, node int) (found bool, err error) {
	client := redisq.Connect(server, 1)
	defer func() { err = errors.Join(err, client.Close()) }()
	leads, err := redisq.IsMaster(ctx, client)
	if err != nil {
		return false, err
	}
	if !leads {
		return false, errors.New("it does not lead")
	}
	n, err := client.Exists(ctx, cluster.VPNKey(node)).Result()
	return n == 1, err
}

func (m *Machine) askRole(ctx context.Context, server redisq.Server) (leads bool, err error) {
	client := redisq.Connect(server, 1)
	defer func() { err = errors.Join(err, client.Close()) }()
	return redisq.IsMaster(ctx, client)
}

// enact does, and tells, what a change of the standing means.
func (m *Machine) enact(ctx context.Context, s *session, before, after Standing) error {
	switch {
	case after.Phase == Silent:
		if before.Phase == Doubted {
			m.Log.Warn(after.sentence())
		}
		s.ahead.stale()
		return m.withReconciler(s.snapshot, func(r *vpn.Reconciler) error { return r.Silence(ctx) })
	case after.Phase == Asking:
		s.ahead.stale()
		return m.withReconciler(s.snapshot, func(r *vpn.Reconciler) error { return r.Speak(ctx) })
	case after.Phase == Member && (before.Phase == Silent || before.Phase == Asking):
		m.Log.Infof("the cluster knows this node, %d, again", after.Node)
	}
	return nil
}

// sentence says why a node is silent, and what to do.
func (s Standing) sentence() string {
	const way = "It sends nothing to the cluster any more but a question now and then; wg0.conf is left as it is. " +
		"To let it join again, run add-node on the leader and `agent join-node` here"
	if s.Why == Removed {
		return "this node has been removed from the cluster: its record is gone. " + way
	}
	return "the leader's Redis refuses this node's password: the node has been removed, or its user on the leader is lost. " +
		way + ", or ask the administrator of the leader"
}
