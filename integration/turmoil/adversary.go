package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/internal/wait"
)

// adversary does what a schedule says to a cluster.
type adversary struct {
	cluster *lab.Cluster
	cast    []int
	began   time.Time

	mu      sync.Mutex
	said    []string // what happened, with times
	kills   []kill
	trouble []error // of the lab: nothing can be judged then
	parted  map[int]map[int]int
}

func newAdversary(c *lab.Cluster, cast []int) *adversary {
	return &adversary{cluster: c, cast: cast, began: time.Now(), parted: map[int]map[int]int{}}
}

// say notes what happens, for who has to find out why a cluster did not heal.
func (a *adversary) say(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.said = append(a.said, fmt.Sprintf("%s %7.3f s  %s", now.Format(stampFormat), now.Sub(a.began).Seconds(), fmt.Sprintf(format, args...)))
}

func (a *adversary) trip(err error) {
	if err == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = append(a.trouble, err)
}

// run carries the schedule out and returns when everything is as it should be again but
// for what the cluster itself has to mend.
func (a *adversary) run(ctx context.Context, p plan) {
	var beside sync.WaitGroup
	for _, m := range p.Promotions {
		beside.Go(func() { a.promote(ctx, m) })
	}
	if p.Takeover > 0 {
		beside.Go(func() { a.takeOver(ctx, p.Takeover) })
	}
	for _, lane := range lanes(p.Faults) {
		beside.Go(func() { a.lane(ctx, lane) })
	}
	beside.Wait()
	a.lift(ctx)
}

// lanes are the faults that concern the same part of the same node: they do not overlap,
// while others do.
func lanes(faults []fault) [][]fault {
	all := map[string][]fault{}
	for _, f := range faults {
		lane := fmt.Sprintf("%d %s", f.Who, f.Kind.of())
		all[lane] = append(all[lane], f)
	}
	return slices.Collect(maps.Values(all))
}

func (a *adversary) lane(ctx context.Context, faults []fault) {
	for _, f := range faults {
		if !wait.For(ctx, time.Until(a.began.Add(f.At))) {
			return
		}
		a.do(ctx, f)
	}
}

// promoteTime is how long api-cli may wait for the result of promote-node.
const promoteTime = 15 * time.Second

func (a *adversary) promote(ctx context.Context, m promotion) {
	if !wait.For(ctx, time.Until(a.began.Add(m.At))) {
		return
	}
	on, to := a.cast[m.On], a.cast[m.Node]
	a.say("promote-node on node %d: node %d", on, to)
	ctx, cancel := context.WithTimeout(ctx, promoteTime)
	defer cancel()
	result, err := a.cluster.Lab.Node(on).Call(ctx, "promote-node", lab.PromoteInput(to, a.cluster.Outside(to).String()))
	// It may be refused, or interrupted: that is the cluster's own affair.
	a.say("promote-node on node %d: node %d: exit code %d %s%s %v", on, to, result.Code, oneLine(result.Stdout), oneLine(result.Stderr), err)
}

// takeoverTime is more than switch-leader waits on all nodes.
const takeoverTime = 2 * time.Minute

// takeOver types switch-leader on all nodes but the leader. It may be refused, and some
// may be off: they have to find home.
func (a *adversary) takeOver(ctx context.Context, at time.Duration) {
	if !wait.For(ctx, time.Until(a.began.Add(at))) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, takeoverTime)
	defer cancel()
	for _, id := range a.cast[candidate:] {
		a.say("switch-leader on node %d: node %d", id, a.cast[candidate])
		err := a.cluster.SwitchLeader(ctx, id, a.cast[candidate])
		a.say("switch-leader on node %d: node %d: %v", id, a.cast[candidate], err)
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// do carries out one fault, from its begin to its end.
func (a *adversary) do(ctx context.Context, f fault) {
	n := a.cluster.Lab.Node(a.cast[f.Who])
	a.say("%s node %d, for %v", f.Kind, n.ID, f.Length)
	switch f.Kind {
	case off:
		a.trip(n.PowerOff(ctx))
		a.kill(n.ID)
		wait.For(ctx, f.Length)
		a.trip(a.powerOn(ctx, n))
	case cut:
		a.trip(n.CutLink())
		wait.For(ctx, f.Length)
		a.trip(n.RestoreLink(ctx))
	case part:
		other := a.cluster.Lab.Node(a.cast[f.Other])
		a.trip(a.block(ctx, n, other, 1))
		wait.For(ctx, f.Length)
		a.trip(a.block(ctx, n, other, -1))
	case killRedis:
		a.signal(n, lab.Redis, syscall.SIGKILL)
		a.kill(n.ID)
	case restartRedis:
		a.signal(n, lab.Redis, syscall.SIGTERM)
	case killAgent:
		a.signal(n, lab.NodeAgent, syscall.SIGKILL)
	case restartAgent:
		a.signal(n, lab.NodeAgent, syscall.SIGTERM)
	case killClusterAgent:
		a.signal(n, lab.ClusterAgent, syscall.SIGKILL)
	case stopRedis:
		a.pause(ctx, n, lab.Redis, f.Length)
	case stopAgent:
		a.pause(ctx, n, lab.NodeAgent, f.Length)
	case stopClusterAgent:
		a.pause(ctx, n, lab.ClusterAgent, f.Length)
	}
	a.say("%s node %d: over", f.Kind, n.ID)
}

func (a *adversary) kill(node int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kills = append(a.kills, kill{Node: node, At: time.Now()})
}

// signal has no effect on a part that is not running: the same has happened to it.
func (a *adversary) signal(n *lab.Node, unit string, s syscall.Signal) {
	if err := n.Service(unit).Signal(s); err != nil {
		a.say("without effect: %v", err)
	}
}

func (a *adversary) pause(ctx context.Context, n *lab.Node, unit string, length time.Duration) {
	a.signal(n, unit, syscall.SIGSTOP)
	wait.For(ctx, length)
	a.signal(n, unit, syscall.SIGCONT)
}

// block parts two nodes, or lets them hear each other again once nothing parts them any
// more.
func (a *adversary) block(ctx context.Context, n, other *lab.Node, change int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	errs := make([]error, 0, 2)
	for _, pair := range [][2]*lab.Node{{n, other}, {other, n}} {
		blocked := a.parted[pair[0].ID]
		if blocked == nil {
			blocked = map[int]int{}
			a.parted[pair[0].ID] = blocked
		}
		if blocked[pair[1].ID] += change; blocked[pair[1].ID] == 0 {
			delete(blocked, pair[1].ID)
		}
		errs = append(errs, pair[0].Block(ctx, slices.Sorted(maps.Keys(blocked))...))
	}
	return errors.Join(errs...)
}

// bootTime bounds a boot.
const bootTime = time.Minute

func (a *adversary) powerOn(ctx context.Context, n *lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	return n.PowerOn(ctx)
}

// lift sees to it that nothing is stopped: a part that was stopped in the moment of its
// start may have been missed.
func (a *adversary) lift(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for _, n := range a.cluster.Lab.Nodes {
		for _, unit := range []string{lab.Redis, lab.NodeAgent, lab.ClusterAgent} {
			service := n.Service(unit)
			err := service.Wait(ctx, func(now lab.Status) bool { return now.PID != 0 })
			a.trip(err)
			if err == nil {
				a.signal(n, unit, syscall.SIGCONT)
			}
		}
	}
	a.say("all faults are lifted")
}
