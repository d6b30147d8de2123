package node

import (
	"context"
	"errors"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker/redisq"
)

// leftTo tells whether the Redis at source, which this node's follows, has given the
// lead away without handing it over: by the records, also by its own, this node leads,
// and it is a replica. Other implementations do so. In a hand-over of ours a Redis calls
// itself a replica, too, but only the new leader writes who leads.
//
// That the link to it is up says nothing: two replicas can follow each other.
func (m *Machine) leftTo(ctx context.Context, s *session, source string) bool {
	if recorded, err := s.Leader(ctx); err != nil || recorded != s.self {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	client := redisq.Connect(redisq.Server{Address: source}, 1)
	leads, err := redisq.IsMaster(ctx, client)
	recorded := 0
	if err == nil && !leads {
		recorded, err = cluster.NewStore(client).Leader(ctx)
	}
	if err = errors.Join(err, client.Close()); err != nil {
		m.Log.Debugf("ask %s whether it leads: %v", source, err)
		return false
	}
	return recorded == s.self
}

// takeLead makes this node, a replica that leads by its records, the leader, if the one
// that it follows agrees: each of the two waits for the other.
func (m *Machine) takeLead(ctx context.Context, s *session, role cluster.Role) error {
	if !m.leftTo(ctx, s, role.Source) {
		return nil
	}
	sw, err := m.beginSwitch(ctx, s, Switch{Leader: s.self, Planned: true, Wait: missedTime})
	if errors.Is(err, ErrNoEndpoint) {
		return nil // nobody had prepared this node to lead
	}
	if err != nil {
		return err
	}
	defer s.forget()
	m.Log.Infof("this node leads by the records, also by those of %s, which waits for it: it takes the lead", role.Source)
	return sw.run(ctx)
}
