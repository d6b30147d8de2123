package node

import (
	"context"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// silenceFile, in the state directory of the node agent, holds the [Silence] of the
// leader, while there is one: commands go by it, too.
const silenceFile = "leader-silence.json"

// Silence is that of the leader which this node, a worker, follows, or which its records
// name: its Redis gets nothing from there.
type Silence struct {
	Leader int       `json:"leader"` // node id; 0: the leader is not silent
	Since  time.Time `json:"since"`
	// Seeking says that it has lasted long enough for the node to ask others whether
	// one of them leads.
	Seeking bool `json:"seeking,omitempty"`
}

// next is the silence after another look, which has found the leader silent since a time,
// the zero Time if it is not. It is pure.
func (q Silence) next(leader int, since time.Time) Silence {
	switch {
	case since.IsZero():
		return Silence{}
	case q.Leader != leader:
		return Silence{Leader: leader, Since: since}
	}
	return q
}

// ripe says whether the silence has lasted for as long as limit.
func (q Silence) ripe(limit time.Duration, now time.Time) bool {
	return q.Leader != 0 && limit > 0 && now.Sub(q.Since) >= limit
}

func (m *Machine) silenceNote() note { return m.note(silenceFile, "since when the leader is silent") }

// silence reads the file; zero if there is none, or none that can be read.
func (m *Machine) silence() Silence {
	var q Silence
	if err := m.silenceNote().read(&q); err != nil {
		m.Log.Warn(err)
		return Silence{}
	}
	return q
}

func (m *Machine) setSilence(q Silence) error {
	if q.Leader == 0 {
		return m.silenceNote().remove()
	}
	return m.silenceNote().write(q)
}

// listen looks whether the leader that this node follows is silent, and notes it. What a
// former life of the agent has noted counts for nothing: the node may have been off.
func (m *Machine) listen(ctx context.Context, s *session, now time.Time) (Silence, error) {
	now = now.UTC().Round(0) // as the file keeps it
	before := m.silence()
	if !m.vigil.begun {
		before, m.vigil.begun = Silence{Leader: before.Leader, Since: now}, true
	}
	role, err := s.readRole(ctx)
	if err != nil {
		return before, err
	}
	records, _, err := s.records(ctx)
	if err != nil {
		return before, err
	}
	followed := records.Leader
	since, err := silentSince(ctx, s.Store, role, now)
	switch {
	case err != nil:
		return before, err
	case role.Master && followed != s.self: // it was made one, and another leads: it hears nothing of its leader
		if since = m.vigil.masterSince.UTC().Round(0); before.Since.Before(since) {
			before = Silence{}
		}
	case role.Master:
		followed = 0
	}
	after := before.next(followed, since)
	after.Seeking = after.ripe(m.LeaderSilence, now)
	if after == m.silence() {
		return after, nil
	}
	s.forget() // whom this node seeks has changed
	return after, m.setSilence(after)
}

// quietTime is longer than the pauses of a master that has nothing to say.
const quietTime = 15 * time.Second

// silentSince is when the master of a replica fell silent, as far as Redis knows; the zero
// Time if it has not. A master whose machine died without a word has a link that is up for
// a minute yet.
func silentSince(ctx context.Context, s *cluster.Store, role cluster.Role, now time.Time) (time.Time, error) {
	switch {
	case role.Master, role.Copying:
		return time.Time{}, nil
	case !role.LinkUp:
		return now, nil
	}
	ago, err := s.LastHeard(ctx)
	if err != nil || ago < quietTime {
		return time.Time{}, err
	}
	return now.Add(-ago), nil
}

// prepared are the nodes, but for this one and its leader, that the last leader known here
// had prepared to lead: they have an endpoint. They alone are ever followed without an
// administrator.
func prepared(records vpn.Cluster) []int {
	var nodes []int
	for _, n := range records.Nodes {
		if n.ID != records.Self && n.ID != records.Leader && n.Endpoint != "" && n.Address.IsValid() {
			nodes = append(nodes, n.ID)
		}
	}
	return nodes
}

// standsBy says whether this node is prepared itself, and does not lead.
func standsBy(records vpn.Cluster) bool {
	self, found := records.Node(records.Self)
	return found && self.Endpoint != "" && records.Leader != records.Self
}
