package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cluster-agent/integration/lab"
)

// succession is what became of one leader that was killed. All times count from the start of
// the first switch-leader.
type succession struct {
	Number   int
	AtOnce   bool // all commands at the same time, not one after the other
	From, To int
	Commands []command // in the order in which they were typed

	Leads time.Duration // the new leader was master, and recorded
	VPN   time.Duration // the last wg0 had turned
	Redis time.Duration // the last replica was in sync
	Pings time.Duration // each pair of the others had answered each other
	Total time.Duration
	Turns []parts

	Syncs    syncs         // of the others' Redis, in that time
	Home     time.Duration // until the killed one was home, after its boot, or after it was told
	ByItself bool          // it came home without being told
	Typed    int           // how often it was told: until it did not refuse any more
}

// dead is what all successions came to.
type dead struct {
	Successions []succession
	Traffic     verdict
	Judged      bool
}

// killAll has one leader after the other die.
func (st *stage) killAll(ctx context.Context) (found dead, err error) {
	t, err := st.startTraffic(ctx, "dead")
	if err != nil {
		return found, err
	}
	var kills []kill
	for n := range 2 * st.dead {
		s := succession{Number: n + 1, AtOnce: n >= st.dead}
		var k kill
		if k, err = st.succeed(ctx, &s); err != nil {
			return found, errors.Join(fmt.Errorf("dead leader %d: %w", n+1, err), t.close())
		}
		kills = append(kills, k)
		found.Successions = append(found.Successions, s)
		st.say("dead leader %d, node %d, succeeded by %d: %s ms; home after %[6]s ms, by itself: %[5]t",
			s.Number, s.From, s.To, number(s.Total), s.ByItself, number(s.Home))
	}
	st.say("waiting for the last tasks, and looking for what was written")
	if found.Traffic, err = t.end(ctx, kills); err == nil {
		found.Judged = true
	}
	return found, err
}

// succeed kills the leader, has another node lead, and brings the killed one home.
func (st *stage) succeed(ctx context.Context, s *succession) (kill, error) {
	s.From = st.cluster.Leader
	rest := without(st.members, s.From)
	st.random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	s.To = rest[st.random.IntN(len(rest))]
	probes, err := st.startPings(ctx, rest)
	if err != nil {
		return kill{}, err
	}
	before, err := st.syncsOf(ctx, rest)
	st.roll.set(rest)
	k := kill{node: s.From, began: time.Now()}
	err = errors.Join(err, st.lab().Node(s.From).PowerOff(ctx))
	k.ended = time.Now()
	if err == nil {
		err = st.replace(ctx, s, rest, probes)
	}
	if err = errors.Join(err, probes.abandon()); err != nil {
		return k, err
	}
	after, err := st.syncsOf(ctx, rest)
	s.Syncs = after.plus(before, -1)
	err = errors.Join(err, st.bringHome(ctx, s))
	k.home = time.Now()
	return k, err
}

// replace types the commands into the nodes that are left, and waits until they reach each
// other and follow the new leader.
func (st *stage) replace(ctx context.Context, s *succession, rest []int, probes pings) error {
	limited, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	all := st.newTurnings(s.To, rest)
	began := time.Now()
	turned, opened := make(chan error, 1), make(chan error, 1)
	go func() { turned <- watchAll(limited, all) }()
	go func() {
		err := probes.open(limited, began)
		s.Pings = time.Since(began)
		opened <- err
	}()
	typed, err := st.typeAll(limited, s, all)
	if err = errors.Join(err, <-turned, <-opened); err != nil {
		return err
	}
	s.Commands = commandsOf(typed, all)
	st.cluster.MoveTo(s.To)
	s.Leads = latest(all, began, func(t turn) time.Time { return masterAt(t, s.To) })
	s.VPN = latest(all, began, func(t turn) time.Time { return t.vpn })
	s.Redis = latest(all, began, func(t turn) time.Time { return t.redis })
	s.Total = max(s.Pings, latest(all, began, turn.done))
	s.Turns = partsOf(all, began)
	return nil
}

// homeTime is how long an old leader may take that was told.
const homeTime = time.Minute

// bringHome boots the machine that was killed, and waits until it is a worker: by itself, or
// because that is typed there.
func (st *stage) bringHome(ctx context.Context, s *succession) error {
	if err := st.lab().Node(s.From).PowerOn(ctx); err != nil {
		return err
	}
	began := time.Now()
	if !st.typed {
		s.ByItself = st.awaitHome(ctx, s, st.home) == nil
	}
	if !s.ByItself {
		st.typed, began = true, time.Now()
		if err := st.typeHome(ctx, s); err != nil {
			return err
		}
	}
	s.Home = time.Since(began)
	st.roll.set(st.members)
	return st.settled(ctx)
}

// typeHome types switch-leader on the killed one, again if it is refused: a node that has just
// booted may not reach the new leader yet, and takes itself for the one that leads.
func (st *stage) typeHome(ctx context.Context, s *succession) error {
	const pause = 500 * time.Millisecond
	limited, cancel := context.WithTimeout(ctx, homeTime)
	defer cancel()
	err := lab.Until(limited, pause, func(ctx context.Context) error {
		s.Typed++
		return st.cluster.SwitchLeader(ctx, s.From, s.To)
	})
	return errors.Join(err, st.awaitHome(ctx, s, homeTime))
}

func (st *stage) awaitHome(ctx context.Context, s *succession, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return st.newTurning(s.From, s.To, st.members).watch(ctx)
}
