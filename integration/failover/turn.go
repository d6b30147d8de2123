package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"cluster-agent/integration/lab"
)

// turn is when each part of a node had turned to the new leader; zero: not yet.
type turn struct {
	node int

	told  time.Time // Redis follows the new leader, as far as it is concerned, or is the master
	redis time.Time // in sync with it; on the leader: all replicas are online
	name  time.Time // the name cluster-leader
	vpn   time.Time // wg0
}

// done is when the last part had turned.
func (t turn) done() time.Time { return last(t.redis, t.name, t.vpn) }

// own is when the node had done its own part: what is left then is the new leader's.
func (t turn) own() time.Time { return last(t.told, t.name, t.vpn) }

// last is the latest of some times; zero if one of them is.
func last(times ...time.Time) time.Time {
	var latest time.Time
	for _, at := range times {
		if at.IsZero() {
			return time.Time{}
		}
		if at.After(latest) {
			latest = at
		}
	}
	return latest
}

// turning watches one node turn.
type turning struct {
	stage   *stage
	node    *lab.Node
	leader  int
	others  []netip.Addr // of those that have to follow the leader
	wanted  tunnel
	ownPart chan struct{} // closed when the node has done its own part
	turn    turn
}

// watchInterval is the time between two looks at a node. A look takes a fraction of a
// millisecond.
const watchInterval = 10 * time.Millisecond

// newTurning prepares to watch a node turn; on are the nodes that take part.
func (st *stage) newTurning(node, leader int, on []int) *turning {
	t := &turning{
		stage: st, node: st.lab().Node(node), leader: leader, wanted: tunnel{},
		ownPart: make(chan struct{}), turn: turn{node: node},
	}
	for _, id := range on {
		if id != leader {
			t.others = append(t.others, st.cluster.VPNAddress(id))
		}
		switch {
		case id == node:
		case node == leader:
			t.wanted[st.cluster.VPNAddress(id)] = st.keys[id]
		default:
			t.wanted[st.cluster.VPNAddress(id)] = st.keys[leader]
		}
	}
	return t
}

// newTurnings prepares to watch all nodes that take part.
func (st *stage) newTurnings(leader int, on []int) []*turning {
	all := make([]*turning, 0, len(on))
	for _, id := range on {
		all = append(all, st.newTurning(id, leader, on))
	}
	return all
}

// watch looks until all parts have turned. What has turned is not looked at again.
func (t *turning) watch(ctx context.Context) error {
	err := lab.Until(ctx, watchInterval, func(ctx context.Context) error {
		err := errors.Join(t.lookRedis(ctx), t.lookName(), t.lookVPN(ctx))
		select {
		case <-t.ownPart:
		default:
			if !t.turn.own().IsZero() {
				close(t.ownPart)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("node %d does not turn to node %d: %w", t.node.ID, t.leader, err)
	}
	return nil
}

func (t *turning) lookRedis(ctx context.Context) error {
	if !t.turn.redis.IsZero() {
		return nil
	}
	v, err := lookAtRedis(ctx, t.node)
	if err != nil {
		return err
	}
	now := time.Now()
	told, done := v.told(t.stage.cluster.VPNAddress(t.leader)), v.follows(t.stage.cluster.VPNAddress(t.leader))
	if t.node.ID == t.leader {
		told = v.master(t.leader)
		done = told && v.online(t.others) == len(t.others)
	}
	if told && t.turn.told.IsZero() {
		t.turn.told = now
	}
	if !done {
		return fmt.Errorf("its Redis is a %s of %q, link %s; records name node %s",
			v.info["role"], v.info["master_host"], v.info["master_link_status"], v.leader)
	}
	t.turn.redis = now
	return nil
}

func (t *turning) lookName() error {
	if !t.turn.name.IsZero() {
		return nil
	}
	leader, err := t.stage.leaderOf(t.node.ID)
	if err != nil {
		return err
	}
	if leader != t.leader {
		return fmt.Errorf("it calls node %d cluster-leader", leader)
	}
	t.turn.name = time.Now()
	return nil
}

func (t *turning) lookVPN(ctx context.Context) error {
	if !t.turn.vpn.IsZero() {
		return nil
	}
	found, err := readTunnel(ctx, t.node)
	if err != nil {
		return err
	}
	if wrong := t.wanted.wrongIn(found); wrong != "" {
		return fmt.Errorf("its wg0 sends packets for %s another way", wrong)
	}
	t.turn.vpn = time.Now()
	return nil
}

// watchAll watches some nodes turn, all at once, until the last has.
func watchAll(ctx context.Context, all []*turning) error {
	errs := make(chan error, len(all))
	for _, t := range all {
		go func() { errs <- t.watch(ctx) }()
	}
	found := make([]error, 0, len(all))
	for range all {
		found = append(found, <-errs)
	}
	return errors.Join(found...)
}

// latest is how long after a moment the last of some nodes had turned, in one respect.
func latest(all []*turning, since time.Time, part func(turn) time.Time) time.Duration {
	longest := time.Duration(0)
	for _, t := range all {
		longest = max(longest, part(t.turn).Sub(since))
	}
	return longest
}

// parts is how long each part of a node took to turn.
type parts struct {
	Node                   int
	Told, Redis, Name, VPN time.Duration
}

// partsOf holds what was seen of nodes against the moment at which it all began.
func partsOf(all []*turning, began time.Time) []parts {
	found := make([]parts, 0, len(all))
	for _, t := range all {
		found = append(found, parts{
			t.turn.node, t.turn.told.Sub(began), t.turn.redis.Sub(began), t.turn.name.Sub(began), t.turn.vpn.Sub(began),
		})
	}
	return found
}
