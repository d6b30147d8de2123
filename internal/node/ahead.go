package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cluster-agent/internal/host"
	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
)

// ahead is a look at the VPN interface that is taken while the records are read: an
// engine and a Redis with thousands of nodes to tell of take their time, each.
type ahead struct {
	*netdev.Device

	taken bool // nobody gets the look any more
	done  chan struct{}
	state vpn.State
	err   error
}

var _ vpn.Device = (*ahead)(nil)

// maxAge is how old a look may be. What comes between is quick, unless a leader has to be
// asked that does not answer.
const maxAge = time.Second

// lookAhead begins to look at the interface.
func lookAhead(ctx context.Context) (*ahead, error) {
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", host.WireGuardInterface, err)
	}
	a := &ahead{Device: device, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.state, a.err = device.State(ctx)
	}()
	return a, nil
}

// State returns the look once, and then what the interface is at that moment.
func (a *ahead) State(ctx context.Context) (vpn.State, error) {
	state, found := a.peek()
	a.taken = true
	if found {
		return state, nil
	}
	return a.Device.State(ctx)
}

// peek returns the look, which others get still, if it counts.
func (a *ahead) peek() (_ vpn.State, found bool) {
	if a == nil || a.taken {
		return vpn.State{}, false
	}
	<-a.done // it has deadlines
	return a.state, a.err == nil && time.Since(a.state.Time) < maxAge
}

// look is how the interface is, or was a moment ago; it is not to be changed.
func (s *session) look(ctx context.Context) (vpn.State, error) {
	if state, found := s.ahead.peek(); found {
		return state, nil
	}
	return s.machine.VPNState(ctx)
}

// stale makes nobody get the look: the interface has been changed since, maybe.
func (a *ahead) stale() {
	if a != nil {
		a.taken = true
	}
}

func (a *ahead) end() error {
	<-a.done
	return a.Close()
}

// lockedAhead runs work while nothing else changes this machine's VPN or leader, with
// a look at the interface under way.
func (m *Machine) lockedAhead(ctx context.Context, work func(*session) error) error {
	return m.locked(ctx, func(s *session) error {
		a, err := lookAhead(ctx)
		if err != nil {
			return errors.Join(work(s), err) // most of the work needs no interface
		}
		s.ahead = a
		return errors.Join(work(s), a.end())
	})
}
