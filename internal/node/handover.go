package node

import (
	"context"
	"fmt"
	"time"
)

// acceptTime is how long the node that was told to lead may take to accept: longer than the
// hand-over itself waits for it, see [cluster.Store.HandOver].
const acceptTime = 8 * time.Second

// endHandOver makes this node's Redis the master again after a hand-over that nobody
// accepts, and for which nobody waits any more: whoever hands over holds the lock that
// this run holds. It was killed, or interrupted. It returns when it wants to look again.
func (m *Machine) endHandOver(ctx context.Context, s *session) (time.Time, error) {
	role, err := s.readRole(ctx)
	if err != nil {
		return time.Time{}, err
	}
	begun := false
	if !role.Master && !role.LinkUp {
		if begun, err = s.HandOverBegun(ctx); err != nil {
			return time.Time{}, err
		}
	}
	now := time.Now()
	m.vigil.handOverSince = since(m.vigil.handOverSince, begun, now)
	if !begun {
		return time.Time{}, nil
	}
	if now.Sub(m.vigil.handOverSince) < acceptTime {
		return now.Add(roleInterval), nil
	}
	defer s.forget()
	ended, err := s.EndHandOver(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("end a hand-over to %s, which does not accept: %w", role.Source, err)
	}
	if ended {
		m.Log.Warnf("the Redis at %s was told to lead, and did not accept for %s: this node's Redis is the master again", role.Source, acceptTime)
	}
	return time.Time{}, nil
}

// endHandOver is that of a person's order, which waits for nothing.
func (order Switch) endHandOver(ctx context.Context, s *session) error {
	if order.Planned {
		return nil
	}
	ended, err := s.EndHandOver(ctx)
	if ended && err == nil {
		order.Say("a hand-over that was interrupted, and that nobody accepted, is ended: this node's Redis is the master again")
	}
	return err
}
