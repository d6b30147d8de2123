package node

import (
	"context"
	"fmt"
	"time"
)

// acceptTime is how long the node that was told to lead may take to accept, when nobody waits
// for that any more.
const acceptTime = 8 * time.Second

// endHandOver makes this node's Redis the master again after a hand-over that nobody
// accepts, and for which nobody waits any more: whoever hands over holds the lock that
// this run holds. It was killed, or interrupted. It returns when it wants to look again.
func (m *Machine) endHandOver(ctx context.Context, s *session) (time.Time, error) {
	role, err := s.readRole(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	m.vigil.handOverSince = since(m.vigil.handOverSince, s.read.handsOver, now)
	if !s.read.handsOver {
		return time.Time{}, nil
	}
	m.vigil.followed = false // the other may accept, and lead, unnoticed
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
func (sw *switching) endHandOver(ctx context.Context) error {
	if sw.Planned || !sw.session.once(ctx).handsOver {
		return nil
	}
	ended, err := sw.session.EndHandOver(ctx)
	if err != nil {
		return err
	}
	if ended {
		sw.Say("a hand-over that was interrupted, and that nobody accepted, is ended: this node's Redis is the master again")
	}
	// It may have been accepted meanwhile: everything has to be read anew.
	anew, err := sw.machine.beginSwitch(ctx, sw.session, sw.Switch)
	if err == nil {
		*sw = *anew
	}
	return err
}
