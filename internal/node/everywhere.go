package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
	"cluster-agent/worker/redisq"
)

// Errors by which a switch of all nodes is refused.
var (
	ErrElsewhere = errors.New("a switch of all nodes is to be run on the one that is to lead")
	ErrNewerData = errors.New("another node has newer data: let it lead instead, or repeat with --force")
)

// SwitchAll makes this machine, the target of the order, the leader, after it has asked
// the replicas that it can reach whether they have newer data, and then waits for the
// other nodes to find their way home. It can be interrupted and repeated.
func (m *Machine) SwitchAll(ctx context.Context, order Switch) error {
	former := 0
	err := m.obey(ctx, order, func(sw *switching) error {
		if order.Leader != sw.session.self {
			return fmt.Errorf("%w: node %d, and this is node %d", ErrElsewhere, order.Leader, sw.session.self)
		}
		if err := sw.endHandOver(ctx); err != nil {
			return err
		}
		former = sw.before.Leader
		if !sw.role.Master && !sw.Force {
			if err := sw.compare(ctx); err != nil {
				return err
			}
		}
		return sw.run(ctx)
	})
	if err != nil {
		return err
	}
	return m.awaitArrivals(ctx, order, former)
}

// compare refuses to lead if another replica that can be reached has data which this node
// lacks.
func (sw *switching) compare(ctx context.Context) error {
	if sw.oldLeaderAnswers(ctx) {
		return ErrLeaderAlive
	}
	own, err := sw.session.Whereabouts(ctx, sw.session.self)
	if err != nil {
		return err
	}
	others := sw.othersThan(sw.before.Leader)
	if len(others) == 0 {
		return nil
	}
	sw.Say("asking %s for newer data, up to %s: each answers once it has missed its leader for long enough",
		nodeList(others), time.Until(sw.heardBy()).Round(time.Second))
	var refusals []error
	heard := sw.hear(ctx, others)
	for _, w := range heard {
		if err := sw.judge(own, w); err != nil {
			refusals = append(refusals, err)
		}
		others = slices.DeleteFunc(others, func(id int) bool { return id == w.Node })
	}
	if len(others) > 0 {
		sw.Say("%s cannot be asked", nodeList(others))
	}
	if len(refusals) > 0 {
		return sw.undo(ctx, errors.Join(refusals...))
	}
	return nil
}

// judge says what the data of another node mean for this one's leading.
func (sw *switching) judge(own, other cluster.Whereabouts) error {
	switch other.Compare(own) {
	case cluster.Newer:
		more := "of a later epoch or stream"
		if other.Stream == own.Stream {
			more = fmt.Sprintf("%d bytes more", other.Offset-own.Offset)
		}
		return fmt.Errorf("node %d has %s: %w", other.Node, more, ErrNewerData)
	case cluster.Unrelated:
		return fmt.Errorf("the data of node %d cannot be compared with this node's: %w", other.Node, ErrNewerData)
	case cluster.NotNewer:
		sw.Say("node %d has nothing that this node lacks", other.Node)
	}
	return nil
}

// othersThan are the ids of all nodes but this one and another.
func (sw *switching) othersThan(id int) []int {
	var others []int
	for _, n := range sw.before.Nodes {
		if n.ID != sw.session.self && n.ID != id && n.Address.IsValid() {
			others = append(others, n.ID)
		}
	}
	return others
}

// DefaultLeaderSilence is how long a leader has to be silent, by default, before nodes
// look for another.
const DefaultLeaderSilence = 30 * time.Second

// tellTime is how soon a node that looks for a leader is heard by one that listens.
const tellTime = 8 * time.Second

// heardBy is when all nodes must have been heard of that can be.
func (sw *switching) heardBy() time.Time {
	now := time.Now()
	since := now // it may have died a moment ago
	if q := sw.machine.silence(); q.Leader != 0 {
		since = q.Since
	}
	due := now.Add(tellTime)
	if seeking := since.Add(DefaultLeaderSilence + tellTime); seeking.After(due) {
		due = seeking
	}
	if latest := now.Add(sw.Wait); latest.Before(due) {
		due = latest
	}
	return due
}

// hear takes all nodes as peers, and listens to those that are there, until each of them
// has told how far it has come, or the time is over.
func (sw *switching) hear(ctx context.Context, nodes []int) []cluster.Whereabouts {
	ctx, cancel := context.WithDeadline(ctx, sw.heardBy())
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	told := make(chan cluster.Whereabouts, len(nodes))
	asked := map[int]bool{}
	var heard []cluster.Whereabouts
	candidate := sw.records(sw.before.Leader, sw.session.self)
	for len(heard) < len(nodes) && ctx.Err() == nil {
		sw.machine.seekVia(ctx, candidate)
		there, err := sw.machine.present(ctx, candidate, func(id int) bool { return slices.Contains(nodes, id) && !asked[id] })
		if err != nil {
			sw.machine.Log.Warnf("look who is there: %v", err)
		}
		for _, node := range there {
			asked[node.ID] = true
			listening.Go(func() { sw.hearNode(ctx, node, told) })
		}
		select {
		case w := <-told:
			heard = append(heard, w)
		case <-time.After(prepareInterval):
		case <-ctx.Done():
		}
	}
	return heard
}

// hearNode listens to one node.
func (sw *switching) hearNode(ctx context.Context, node vpn.Node, told chan<- cluster.Whereabouts) {
	client := redisq.Connect(redisq.Server{
		Address: net.JoinHostPort(node.Address.String(), strconv.Itoa(cluster.RedisPort)),
	}, 1)
	store := cluster.NewStore(client)
	w, err := store.HearWhereabouts(ctx, node.ID)
	for err != nil && wait.For(ctx, prepareInterval) {
		w, err = store.HearWhereabouts(ctx, node.ID)
	}
	if err = errors.Join(err, client.Close()); err != nil {
		sw.machine.Log.Debugf("listen to node %d: %v", node.ID, err)
		return
	}
	told <- w
}

// awaitArrivals shows the other nodes arriving, until all are there or the time is over.
// The former leader, which is dead, is not waited for.
func (m *Machine) awaitArrivals(ctx context.Context, order Switch, former int) error {
	ctx, cancel := context.WithTimeout(ctx, order.Wait)
	defer cancel()
	order.Say("waiting up to %s for the other nodes to find their way here", order.Wait)
	here := map[int]bool{}
	for {
		all, err := m.Arrivals(ctx)
		var lag []Arrival
		for _, a := range all {
			switch {
			case a.Arrived() && !here[a.Node]:
				here[a.Node] = true
				order.Say("%s", a)
			case !a.Arrived() && a.Node != former:
				lag = append(lag, a)
			}
		}
		if err == nil && len(lag) == 0 {
			return nil
		}
		if !wait.For(ctx, arrivalInterval) {
			return stragglers(order, lag, err)
		}
	}
}

// stragglers says who has not come, and what to do.
func stragglers(order Switch, lag []Arrival, err error) error {
	if len(lag) == 0 {
		return err
	}
	lines := make([]error, 0, len(lag)+1)
	for _, a := range lag {
		lines = append(lines, errors.New(a.String()))
	}
	return errors.Join(append(lines, fmt.Errorf("node %d leads; a node that was prepared for that comes by itself when it is on and its leader "+
		"has been silent for long enough, else run switch-leader --node %d there", order.Leader, order.Leader))...)
}
