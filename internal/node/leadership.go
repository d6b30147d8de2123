package node

import (
	"context"
	"errors"
	"fmt"

	"cluster-agent/internal/cluster"
)

// ErrOldOrder refuses an order of a leadership that is over.
var ErrOldOrder = errors.New("it is out of date")

// leadershipFile, in the state directory of the node agent, holds the last change of
// the leader that this node has heard of. The records say the same; but those of a
// node that gets its data from a leader of old are older than what it has seen.
const leadershipFile = "leadership.json"

// remembered is the file. What was another cluster's counts for nothing.
type remembered struct {
	cluster.Leadership

	Cluster string `json:"cluster"` // its UUID
	// Announced is the next leader that this node, the leader, has announced. Should it
	// come about late, it may be followed at once. The zero value: none.
	Announced announced `json:"announced,omitzero"`
}

type announced struct {
	cluster.Leadership

	Endpoint string `json:"endpoint"`
}

func (m *Machine) leadershipNote() note { return m.note(leadershipFile, "who leads") }

// readLeadership reads the file; zero if there is none. One that cannot be read is
// worth a line in the log and no more: the records are there, too.
func (m *Machine) readLeadership() remembered {
	var r remembered
	if err := m.leadershipNote().read(&r); err != nil {
		m.Log.Warn(err)
		return remembered{}
	}
	return r
}

// knownLeadership is the last change of the leader that this node knows of, by its
// records or by its memory.
func (m *Machine) knownLeadership(ctx context.Context, s *cluster.Store) (cluster.Leadership, error) {
	recorded, err := s.Leadership(ctx)
	if err != nil {
		return recorded, err
	}
	kept := m.readLeadership()
	if kept.Epoch <= recorded.Epoch {
		return recorded, nil
	}
	uuid, err := s.UUID(ctx)
	if err != nil || kept.Cluster != uuid {
		return recorded, err
	}
	return kept.Leadership, nil
}

// rememberLeadership keeps a change of the leader, if none that is later is known.
func (m *Machine) rememberLeadership(ctx context.Context, s *cluster.Store, l cluster.Leadership) error {
	uuid, err := s.UUID(ctx)
	if err != nil || l.Epoch == 0 {
		return err
	}
	kept := m.readLeadership()
	if kept.Cluster == uuid && kept.Epoch >= l.Epoch {
		return nil
	}
	return m.leadershipNote().write(remembered{Leadership: l, Cluster: uuid})
}

// forgetLeadership makes the records count alone: an administrator decides who leads,
// and may go back behind a leader whose data are lost.
func (m *Machine) forgetLeadership() error { return m.leadershipNote().remove() }

// ownLeadership is that of this node, which leads: the one of the record, or one
// later than any that this node knows of, if the record is another's.
func (m *Machine) ownLeadership(ctx context.Context, s *cluster.Store, self int) (l cluster.Leadership, recorded bool, err error) {
	record, err := s.Leadership(ctx)
	if err != nil || record.Node == self {
		return record, err == nil, err
	}
	known, err := m.knownLeadership(ctx, s)
	return cluster.Leadership{Epoch: known.Epoch + 1, Node: self}, false, err
}

// keepLeadership remembers what the records say of the leader. On the leader itself
// it sees to it that they say so: the agent may not have been there when the
// mastership came, or another implementation handed over, which knows no epochs.
func (m *Machine) keepLeadership(ctx context.Context, s *session) error {
	records, _, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	role, err := s.readRole(ctx)
	if err != nil {
		return err
	}
	if !role.Master {
		recorded, readErr := s.Leadership(ctx)
		return errors.Join(readErr, m.rememberLeadership(ctx, s.Store, recorded))
	}
	if records.Leader != s.self {
		return nil
	}
	own, err := m.recordLeadership(ctx, s.Store, s.self)
	if err != nil {
		return err // it may lead no more: what is not recorded never was
	}
	return m.rememberLeadership(ctx, s.Store, own)
}

// recordLeadership makes the records of this node, which leads, say so.
func (m *Machine) recordLeadership(ctx context.Context, s *cluster.Store, self int) (cluster.Leadership, error) {
	own, recorded, err := m.ownLeadership(ctx, s, self)
	if err == nil && !recorded {
		err = s.SetLeadership(ctx, own)
	}
	return own, err
}

// NextLeadership is what a node that is to lead after this one, the leader, at an
// endpoint, has to be announced with. No epoch is announced twice: a switch that seems to
// have failed may yet come about.
func (m *Machine) NextLeadership(ctx context.Context, node int, endpoint string) (cluster.Leadership, error) {
	next := cluster.Leadership{Node: node}
	err := m.with(func(s *session) error {
		own, err := m.recordLeadership(ctx, s.Store, s.self)
		if err == nil {
			err = m.rememberLeadership(ctx, s.Store, own)
		}
		if err != nil {
			return err
		}
		kept := m.readLeadership()
		next.Epoch = max(own.Epoch, kept.Epoch, kept.Announced.Epoch) + 1
		kept.Announced = announced{Leadership: next, Endpoint: endpoint}
		return m.leadershipNote().write(kept)
	})
	return next, err
}

// refuseOld refuses an order that others have given before the last one that this
// node knows of: events can be late, and a leader of old can come back.
func (sw *switching) refuseOld(ctx context.Context) error {
	if sw.Epoch == 0 {
		return nil
	}
	known, err := sw.machine.knownLeadership(ctx, sw.session.Store)
	if err != nil {
		return err
	}
	if order := (cluster.Leadership{Epoch: sw.Epoch, Node: sw.target.ID}); order.OlderThan(known) {
		return fmt.Errorf("%w: that was to be epoch %d of the cluster's leaders, and this node knows of epoch %d, led by node %d",
			ErrOldOrder, order.Epoch, known.Epoch, known.Node)
	}
	return nil
}

// begun is the leadership that this switch begins, on the node that is to lead.
// It leads again, later than anybody else, if it had led and handed over, or announced
// that it would, and the other did not come to lead.
func (sw *switching) begun(ctx context.Context) (cluster.Leadership, error) {
	own, recorded, err := sw.machine.ownLeadership(ctx, sw.session.Store, sw.target.ID)
	own.Epoch = max(own.Epoch, sw.Epoch)
	if err != nil || !recorded || sw.role.Master {
		return own, err
	}
	uuid, err := sw.session.UUID(ctx)
	if kept := sw.machine.readLeadership(); err == nil && kept.Cluster == uuid {
		own.Epoch = max(own.Epoch, max(kept.Epoch, kept.Announced.Epoch)+1)
	}
	return own, err
}

// keep remembers on a worker whom it follows by order.
func (sw *switching) keep(ctx context.Context) error {
	return sw.machine.rememberLeadership(ctx, sw.session.Store, cluster.Leadership{Epoch: sw.Epoch, Node: sw.target.ID})
}
