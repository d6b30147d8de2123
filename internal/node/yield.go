package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
)

// ErrOvertaken refuses what only the leader may do, on a node that led once and does not
// know it yet.
var ErrOvertaken = errors.New("this node does not lead any more")

// aloneInterval is how often a leader whom most nodes do not follow looks for another.
const aloneInterval = 5 * time.Second

// rival is another node that leads, and to which this one has to give way.
type rival struct {
	claim

	own       cluster.Leadership // this node's
	announced bool               // this node itself has announced it
	prepared  bool               // this node's records have it ready to lead
	alone     bool               // most nodes do not follow this one
	unheard   bool               // a node that may lead has not said whether it does
	answers   bool               // it has said so now, and not only some time ago
}

// giveWay makes a leader of old, which was off or cut off while another node became the
// leader, a worker of that one. See the package comment for when it does. It returns when
// it wants to look again.
func (m *Machine) giveWay(ctx context.Context, s *session) (time.Time, error) {
	r, found, err := m.rival(ctx, s, isAlone, func(nodes []vpn.Node, uuid string, own cluster.Leadership) hearing {
		if len(nodes) == 0 {
			return hearing{}
		}
		heard, _ := m.rivals.put(ctx, m, claimTime, func(ctx context.Context) hearing { return m.hear(ctx, nodes, uuid, own) })
		return heard
	})
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	m.vigil.aloneSince = since(m.vigil.aloneSince, r.alone, now)
	if !found {
		m.vigil.rivalSaid = cluster.Leadership{}
		return m.lookOut(ctx, s, r, now)
	}
	due, early := m.tooEarly(r, now)
	if !early && r.answers {
		at, err := again(m.goHome(ctx, s, r.claim))
		if err != nil {
			err = errors.Join(err, m.holdWrites(ctx, s, true))
		}
		return at, err
	}
	if hold := r.prepared && r.alone && m.LeaderSilence > 0; hold || !early {
		return now.Add(seekInterval), m.holdWrites(ctx, s, hold)
	}
	return due, m.holdWrites(ctx, s, false)
}

// lookOut says when a leader of whom no rival is known looks again. One that has just come
// back, and that few nodes follow, takes no writes before it has asked those who may lead.
func (m *Machine) lookOut(ctx context.Context, s *session, r rival, now time.Time) (time.Time, error) {
	if !r.alone {
		m.vigil.followed = true
		return time.Time{}, m.holdWrites(ctx, s, false)
	}
	if !m.vigil.followed && now.Sub(m.vigil.aloneSince) < overtakenTime && m.LeaderSilence > 0 {
		return now.Add(seekInterval), m.holdWrites(ctx, s, r.unheard)
	}
	return now.Add(aloneInterval), m.holdWrites(ctx, s, false)
}

// holdTime is for how long writes wait at most, should this agent end meanwhile.
const holdTime = 5 * time.Second

// holdWrites makes clients that would write to the local Redis wait, from one look to the
// next, or lets them go on: what is written while another node leads would be lost to the
// cluster.
func (m *Machine) holdWrites(ctx context.Context, s *session, hold bool) error {
	switch {
	case hold:
		m.vigil.holding = true
		return s.PauseWrites(ctx, holdTime)
	case m.vigil.holding:
		m.vigil.holding = false
		return s.ResumeWrites(ctx)
	}
	return nil
}

// tooEarly says whether it is too early to give way to a rival, or not for this node to
// decide, and when to look again.
func (m *Machine) tooEarly(r rival, now time.Time) (again time.Time, early bool) {
	due := m.vigil.aloneSince.Add(m.LeaderSilence)
	word, early := "", true
	switch {
	case r.announced:
		return now, false
	case !r.prepared || m.LeaderSilence <= 0:
		again = now.Add(aloneInterval)
		word = fmt.Sprintf("this node does not follow it by itself: run switch-leader --node %d here", r.Node)
	case !r.alone:
		again = now.Add(aloneInterval)
		word = "most nodes follow this one, so it stays: run switch-leader on those that shall not"
	case now.Before(due):
		again = due
		word = fmt.Sprintf("this node follows it in %s, unless most nodes come back", due.Sub(now).Round(time.Second))
	default:
		early = false
	}
	if early && m.vigil.rivalSaid != r.Leadership {
		m.vigil.rivalSaid = r.Leadership
		m.Log.Warnf("node %d leads in epoch %d of the cluster's leaders, this node in epoch %d: %s", r.Node, r.Epoch, r.own.Epoch, word)
	}
	return again, early
}

// rival looks for a node to which this one, if it leads, has to give way. alone says
// whether most nodes do not follow this one, ask asks nodes whether they lead.
func (m *Machine) rival(
	ctx context.Context, s *session,
	alone func(context.Context, *session, vpn.Cluster) (bool, error), ask func(nodes []vpn.Node, uuid string, own cluster.Leadership) hearing,
) (r rival, found bool, err error) {
	role, err := s.readRole(ctx)
	if err != nil || !role.Master {
		return r, false, err
	}
	records, _, err := s.snapshot(ctx)
	if errors.Is(err, cluster.ErrNoNetwork) {
		return r, false, nil
	}
	if err != nil || records.Leader != s.self {
		return r, false, err
	}
	if r.own, _, err = m.ownLeadership(ctx, s.Store, s.self); err != nil {
		return r, false, err
	}
	if r.alone, err = alone(ctx, s, records); err != nil {
		return r, false, err
	}
	next := m.readLeadership().Announced
	uuid, err := s.UUID(ctx)
	if err != nil {
		return r, false, err
	}
	suspects, err := s.suspects(ctx, records, r.alone, next.Node)
	if err != nil {
		return r, false, err
	}
	heard := ask(suspects, uuid, r.own)
	r.unheard = slices.ContainsFunc(prepared(records), func(id int) bool { return !slices.Contains(heard.answered, id) })
	later := slices.DeleteFunc(slices.Clone(heard.claims), func(c claim) bool { return !c.LaterThan(r.own) })
	if r.claim, r.answers, found = m.lastRival.recall(later, r.own, time.Now()); found {
		r.prepared = r.node.Endpoint != ""
		if r.announced = r.Leadership == next.Leadership; r.announced {
			r.node.Endpoint = next.Endpoint
		}
	}
	return r, found, nil
}

// isAlone says whether no more than half of the other nodes follow this one.
func isAlone(ctx context.Context, s *session, records vpn.Cluster) (bool, error) {
	followers, err := s.Followers(ctx)
	nodes, _ := tell(followers, records)
	others := len(records.Nodes) - 1
	return others > 0 && 2*nodes <= others, err
}

// tell counts the nodes among the followers of this one, and the strangers: a Redis that
// keeps a copy of the data, and is no node's, has no say.
func tell(followers []netip.Addr, records vpn.Cluster) (nodes, strangers int) {
	following := setOf(followers)
	strangers = len(following)
	for _, n := range records.Nodes {
		if n.ID != records.Self && following[n.Address] {
			delete(following, n.Address)
			nodes++
		}
	}
	return nodes, strangers - nodes
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, element := range list {
		set[element] = true
	}
	return set
}

// replicaTime is enough for replicas far away, and for one that is busy.
const replicaTime = time.Second

// isForsaken is isAlone by what replicas answer at this moment.
func isForsaken(ctx context.Context, s *session, records vpn.Cluster) (bool, error) {
	followers, err := s.Followers(ctx)
	if err != nil {
		return false, err
	}
	nodes, strangers := tell(followers, records)
	others := len(records.Nodes) - 1
	if others < 1 || 2*nodes <= others {
		return others > 0, nil
	}
	enough := others/2 + 1 + strangers
	answers, err := s.Acknowledged(ctx, enough, replicaTime)
	return answers < enough, err
}

// suspects are nodes that may lead instead of this one: all that are there. While most
// nodes follow this one, only that which it has announced itself. A leader has all nodes
// as peers, and they have to have a handshake with it before they can be asked.
func (s *session) suspects(ctx context.Context, records vpn.Cluster, alone bool, announced int) ([]vpn.Node, error) {
	if !alone && announced == 0 {
		return nil, nil
	}
	state, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	return presentBy(state, records, func(id int) bool { return id != records.Self && (alone || id == announced) }), nil
}

// overtakenTime is how long is waited for a handshake with those who may lead: one that
// got lost is repeated after five seconds.
const overtakenTime = 6 * time.Second

// Overtaken is ErrOvertaken if another node leads the cluster in a later epoch than this
// one, as far as that can be found out. While most nodes follow this one it costs a question
// to them, up to replicaTime; else some seconds more, in which nodes that may lead are waited for.
func (m *Machine) Overtaken(ctx context.Context) error {
	return m.with(func(s *session) error {
		waiting, cancel := context.WithTimeout(ctx, overtakenTime)
		defer cancel()
		for {
			s.forget()
			r, found, err := m.rival(ctx, s, isForsaken, func(nodes []vpn.Node, uuid string, own cluster.Leadership) hearing {
				return m.hear(ctx, nodes, uuid, own)
			})
			if err != nil {
				return err
			}
			if found && (r.announced || r.alone) {
				return fmt.Errorf("%w: node %d leads in epoch %d of the cluster's leaders, this node in epoch %d",
					ErrOvertaken, r.Node, r.Epoch, r.own.Epoch)
			}
			if !r.alone || !r.unheard || !wait.For(waiting, prepareInterval) {
				return nil
			}
		}
	})
}
