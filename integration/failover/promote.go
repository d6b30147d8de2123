package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/wait"
)

// turnTime is how long nodes may take to turn before that counts as a failure.
const turnTime = time.Minute

// promotion is one change of a leader that is alive. All times count from the start of the
// command.
type promotion struct {
	Number, From, To int

	Announced time.Duration // all checks had been made
	Command   time.Duration // the command had ended
	Master    time.Duration // the new leader's Redis was the master, and its records said so
	Name      time.Duration // the last node had the new cluster-leader in its hosts
	Others    time.Duration // the last wg0 had turned, but for the old leader's
	VPN       time.Duration // the last wg0 had turned
	Redis     time.Duration // the last replica was in sync
	Total     time.Duration // all of it
	Turns     []parts       // of each node

	Gap    gap           // of pings between workers
	OldGap gap           // of pings between a worker and the old leader
	Calm   gap           // of pings between workers without a promotion, just before
	Pause  time.Duration // of a writer
}

// alive is what promotions came to.
type alive struct {
	Promotions []promotion
	Refused    []string // why promotions were, which were then tried again
	Syncs      syncs    // of all Redis
	Traffic    verdict
	Judged     bool // the traffic was looked at
}

// refusedError is a promotion that the leader refused, having changed nothing.
type refusedError struct{ error }

// maxRefused is how often in a row a promotion may be refused: a machine that is too busy
// for an agent to answer in time is not always that.
const maxRefused = 3

// promoteAll makes one promotion after the other, by turns to each node.
func (st *stage) promoteAll(ctx context.Context) (found alive, err error) {
	before, err := st.syncsOf(ctx, st.members)
	if err != nil {
		return found, err
	}
	t, err := st.startTraffic(ctx, "alive")
	if err != nil {
		return found, err
	}
	for n := range st.promotions {
		var p promotion
		if p, err = st.persist(ctx, n+1, t, &found); err != nil {
			return found, errors.Join(fmt.Errorf("promotion %d: %w", n+1, err), t.close())
		}
		found.Promotions = append(found.Promotions, p)
		st.say("promotion %d, node %d to %d: %s ms, longest gap %s ms", p.Number, p.From, p.To, number(p.Total), number(p.Gap.Length))
	}
	st.say("waiting for the last tasks, and looking for what was written")
	if found.Traffic, err = t.end(ctx, nil); err != nil {
		return found, err
	}
	found.Judged = true
	after, err := st.syncsOf(ctx, st.members)
	found.Syncs = after.plus(before, -1)
	return found, err
}

// persist tries a promotion again that is refused.
func (st *stage) persist(ctx context.Context, number int, t *traffic, found *alive) (promotion, error) {
	for tries := 1; ; tries++ {
		p, err := st.promote(ctx, number, t)
		refused, ok := errors.AsType[refusedError](err)
		if !ok || tries == maxRefused || ctx.Err() != nil {
			return p, err
		}
		found.Refused = append(found.Refused, refused.Error())
		st.say("promotion %d was refused: %v", number, refused)
		if err = st.settled(ctx); err != nil {
			return p, err
		}
	}
}

// next is the node that comes after another, by turns.
func (st *stage) next(node int) int { return st.members[node%len(st.members)] }

// promote measures one promotion.
func (st *stage) promote(ctx context.Context, number int, t *traffic) (promotion, error) {
	p := promotion{Number: number, From: st.cluster.Leader, To: st.next(st.cluster.Leader)}
	if err := st.measureCalm(ctx, &p); err != nil {
		return p, err
	}
	limited, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	announced, err := st.hearAnnouncement(limited, p.From)
	if err != nil {
		return p, err
	}
	probes, err := st.startPings(ctx, st.members)
	if err != nil {
		return p, err
	}
	began, err := st.change(limited, &p, announced)
	if err == nil {
		err = probes.open(ctx, time.Now())
	}
	gaps, stopErr := probes.stop(began)
	p.Gap, p.OldGap = worst(gaps, p.From, false), worst(gaps, p.From, true)
	p.Pause = t.pause(began, time.Now())
	if err = errors.Join(err, stopErr); err != nil {
		return p, err
	}
	return p, st.settled(ctx)
}

// measureCalm pings for a while in which nothing happens.
func (st *stage) measureCalm(ctx context.Context, p *promotion) error {
	if st.calm == 0 {
		return nil
	}
	probes, err := st.startPings(ctx, st.members)
	if err != nil {
		return err
	}
	began := time.Now()
	wait.For(ctx, st.calm)
	gaps, err := probes.stop(began)
	p.Calm = worst(gaps, p.From, false)
	return errors.Join(err, ctx.Err())
}

// change promotes, and waits until every node has turned; began is when the command did.
func (st *stage) change(ctx context.Context, p *promotion, announced <-chan time.Time) (began time.Time, err error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	all := st.newTurnings(p.To, st.members)
	began = time.Now()
	turned := make(chan error, 1)
	go func() { turned <- watchAll(watching, all) }()
	if err = st.cluster.Promote(ctx, p.To); err != nil {
		cancel() // nobody will turn
		if late := <-turned; late == nil {
			return began, fmt.Errorf("all nodes have turned, but: %w", err)
		}
		return began, refusedError{err}
	}
	p.Command = time.Since(began)
	if err = errors.Join(<-turned, ctx.Err()); err != nil {
		return began, err
	}
	p.Announced = (<-announced).Sub(began)
	p.Master = latest(all, began, func(t turn) time.Time { return masterAt(t, p.To) })
	p.Name = latest(all, began, func(t turn) time.Time { return t.name })
	p.Others = latest(all, began, func(t turn) time.Time { return vpnUnless(t, p.From) })
	p.VPN = latest(all, began, func(t turn) time.Time { return t.vpn })
	p.Redis = latest(all, began, func(t turn) time.Time { return t.redis })
	p.Total = latest(all, began, turn.done)
	p.Turns = partsOf(all, began)
	return began, nil
}

// masterAt is when a node became the master, if it is the one that was to; else zero.
func masterAt(t turn, leader int) time.Time {
	if t.node != leader {
		return time.Time{}
	}
	return t.told
}

// vpnUnless is when the wg0 of a node had turned, unless it is a certain one; else zero.
func vpnUnless(t turn, but int) time.Time {
	if t.node == but {
		return time.Time{}
	}
	return t.vpn
}

// hearAnnouncement listens, on the leader, for the event; the channel gets the time of it,
// once, or that of the end of ctx.
func (st *stage) hearAnnouncement(ctx context.Context, leader int) (<-chan time.Time, error) {
	db, err := st.lab().Node(leader).DB()
	if err != nil {
		return nil, err
	}
	events := db.Subscribe(ctx, "cluster/event/leader-changed")
	if _, err = events.Receive(ctx); err != nil { // the subscription
		return nil, errors.Join(fmt.Errorf("listen for the announcement: %w", err), events.Close())
	}
	heard := make(chan time.Time, 1)
	go func() { heard <- awaitEvent(ctx, events) }()
	return heard, nil
}

func awaitEvent(ctx context.Context, events *redis.PubSub) time.Time {
	defer context.AfterFunc(ctx, func() { hangUp(events) })()
	defer hangUp(events)
	for ctx.Err() == nil {
		if _, err := events.ReceiveMessage(ctx); err == nil {
			break
		}
		wait.For(ctx, watchInterval)
	}
	return time.Now()
}

// hangUp ends a subscription. go-redis does not interrupt a read when its context ends.
func hangUp(news *redis.PubSub) {
	if news.Close() != nil {
		return // closed before: that is all that is wanted
	}
}
