package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
	"cluster-agent/worker/redisq"
)

// Switch is a change of the leader, as this machine takes part in it.
type Switch struct {
	Leader   int    // node id of the one that is to lead
	Endpoint string // its endpoint, host:port; empty: as in its record
	// Planned: the present leader has announced the switch and hands over. Else
	// it is taken for dead, unless it answers.
	Planned bool
	// Epoch is what the announcement of a planned switch says; 0: nothing, it comes
	// from an implementation without epochs.
	Epoch int64
	Force bool          // lead although the present leader answers
	Wait  time.Duration // longest wait for the other nodes
	// Say tells a person what is done and what is waited for.
	Say func(format string, args ...any)

	missed bool // the switch is over, by the records: if it is not, this machine stays as it is
}

// Errors by which a switch is refused before anything has changed.
var (
	ErrNoSuchNode  = errors.New("no such node in the cluster")
	ErrNoEndpoint  = errors.New("the node has no endpoint: name it with --endpoint HOST:PORT")
	ErrLeaderAlive = errors.New("the leader answers: run promote-node there, or repeat with --force")
)

// errDoesNotLead ends the wait for a node that was said to lead.
var errDoesNotLead = errors.New("it does not lead")

// switching is one switch under way.
type switching struct {
	Switch
	machine *Machine
	session *session
	before  vpn.Cluster // the cluster before the switch, as this machine sees it
	leaders []int       // who may lead before the switch: the one that is followed, and the recorded one
	target  vpn.Node
	role    cluster.Role
	paused  bool // writes to this Redis wait
}

// SwitchLeader makes this machine's Redis, name of the leader and VPN follow a
// new leader, or makes this machine lead. It can be interrupted and repeated.
func (m *Machine) SwitchLeader(ctx context.Context, order Switch) error {
	if m.turned != nil {
		defer m.turned()
	}
	return m.obey(ctx, order, func(sw *switching) error {
		if err := sw.refuseOld(ctx); err != nil {
			return err
		}
		if err := sw.endHandOver(ctx); err != nil {
			return err
		}
		return sw.run(ctx)
	})
}

// lockPatience is how long another change of this machine's leader or VPN is waited for
// without a word.
const lockPatience = time.Second

// obey runs work on an order while nothing else changes this machine's leader or VPN.
func (m *Machine) obey(ctx context.Context, order Switch, work func(*switching) error) error {
	if order.Say == nil {
		order.Say = m.Log.Infof
	}
	begun := late(lockPatience, func() { order.Say("waiting for another change of this node's leader or VPN to end") })
	defer begun()
	err := m.locked(ctx, func(s *session) error {
		begun()
		sw, err := m.beginSwitch(ctx, s, order)
		if err != nil {
			return err
		}
		return work(sw)
	})
	if err != nil {
		return fmt.Errorf("switch to node %d as leader: %w", order.Leader, err)
	}
	return nil
}

// late does something after a time, unless stop is called before. stop returns when it is
// not being done any more.
func late(after time.Duration, do func()) (stop func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(after, func() { defer close(done); do() })
	return sync.OnceFunc(func() {
		if !timer.Stop() {
			<-done
		}
	})
}

func (m *Machine) beginSwitch(ctx context.Context, s *session, order Switch) (*switching, error) {
	s.forget()
	records, _, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	target, found := records.Node(order.Leader)
	if !found || !target.Address.IsValid() {
		return nil, ErrNoSuchNode
	}
	if order.Endpoint != "" {
		target.Endpoint = order.Endpoint
	}
	if err = order.check(target.Endpoint); err != nil {
		return nil, err
	}
	if order.Say == nil {
		order.Say = m.Log.Infof
	}
	return &switching{
		Switch: order, machine: m, session: s, before: records, target: target,
		leaders: []int{records.Leader, s.read.records.Leader}, role: s.read.role,
	}, nil
}

// check refuses an endpoint that cannot be one. That of a record, an
// administrator's text, is no reason to stay behind when the leader has moved.
func (order Switch) check(endpoint string) error {
	if endpoint == "" {
		return ErrNoEndpoint
	}
	if order.Planned && order.Endpoint == "" {
		return nil
	}
	if _, err := vpn.ParseEndpoint(endpoint); err != nil {
		return fmt.Errorf("endpoint %q of node %d: %w", endpoint, order.Leader, err)
	}
	return nil
}

func (sw *switching) run(ctx context.Context) error {
	switch {
	case sw.target.ID == sw.session.self:
		return sw.lead(ctx)
	case sw.role.Master && !sw.findsTarget(ctx):
		if sw.missed {
			return errDoesNotLead // it was said to, and changed its mind
		}
		if !sw.Planned && !sw.Force {
			return ErrLeaderAlive
		}
		return sw.handOver(ctx)
	default:
		return sw.follow(ctx)
	}
}

// targetLeads tells whether the switch has happened without this machine: it
// led once, was off, and came back.
func (sw *switching) targetLeads(ctx context.Context) bool {
	leads, err := sw.leads(ctx, sw.target.Address)
	return err == nil && leads
}

// findsTarget is targetLeads on a master. One that has just come back, and that a person
// tells to follow, may need a moment for its link to the target.
func (sw *switching) findsTarget(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, overtakenTime)
	defer cancel()
	for {
		leads, err := sw.leadsWithin(ctx, sw.target.Address, probeMax)
		if err == nil || sw.Planned || len(sw.role.Replicas) > 0 {
			return err == nil && leads
		}
		if !wait.For(ctx, prepareInterval) {
			return false
		}
	}
}

// records is the cluster as it is during or after the switch.
func (sw *switching) records(leader int, candidates ...int) vpn.Cluster {
	records := sw.before
	records.Leader, records.Candidates = leader, candidates
	records.StandsBy = standsBy(records)
	records.Nodes = append([]vpn.Node(nil), sw.before.Nodes...)
	for i := range records.Nodes {
		if records.Nodes[i].ID == sw.target.ID {
			records.Nodes[i].Endpoint = sw.target.Endpoint
		}
	}
	return records
}

// prepareInterval is how often a preparing node looks whether it can go on.
const prepareInterval = 25 * time.Millisecond

// prepare makes links to the target beside those to the present leader, until
// ready says that the switch may go on: a link that has had its handshake
// before the switch costs no packet in it.
func (sw *switching) prepare(ctx context.Context, ready func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, sw.Wait)
	defer cancel()
	candidate := sw.records(sw.before.Leader, sw.target.ID)
	for {
		// Whatever is wrong with one record or link must not keep this node from following.
		if _, err := sw.machine.reconcile(ctx, given(candidate)); err != nil && ctx.Err() == nil {
			sw.machine.Log.Warnf("prepare the VPN for node %d as leader: %v", sw.target.ID, err)
		}
		done, err := ready(ctx)
		if done {
			return nil
		}
		if !wait.For(ctx, prepareInterval) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// meet waits for the handshake with the target. WireGuard repeats a lost one
// only after five seconds; this does not wait for that.
func (sw *switching) meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sw.Wait)
	defer cancel()
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		return fmt.Errorf("open %s: %w", host.WireGuardInterface, err)
	}
	_, err = sw.machine.reconcile(ctx, given(sw.records(sw.before.Leader, sw.target.ID)))
	if err == nil {
		err = vpn.WaitHandshake(ctx, device, sw.target.PublicKey, time.Now().Add(-vpn.HandshakeFresh))
	}
	return errors.Join(err, device.Close())
}

// undo takes the preparation back, since the switch does not come about.
func (sw *switching) undo(ctx context.Context, why error) error {
	sw.resumeWrites(ctx)
	sw.session.forget()
	if _, err := sw.machine.bring(context.WithoutCancel(ctx), sw.session); err != nil {
		return errors.Join(why, fmt.Errorf("take back the preparation: %w", err))
	}
	return why
}

// turn makes the target the leader for this machine: name and VPN.
func (sw *switching) turn(ctx context.Context) error {
	hostsErr := sw.nameTarget(ctx)
	report, vpnErr := sw.machine.reconcile(ctx, given(sw.records(sw.target.ID)))
	for _, warning := range report.Warnings {
		sw.machine.Log.Warn(warning.String())
	}
	return errors.Join(hostsErr, vpnErr)
}

// nameTarget makes the target cluster-leader.
func (sw *switching) nameTarget(ctx context.Context) error {
	_, err := sw.machine.Files.SetHost(ctx, host.LeaderName, sw.target.Address)
	return err
}

// probeTime bounds one question whether a node leads. A dead node costs it in full. A
// question that is asked again and again has ever more time, up to probeMax: a node far
// away needs it for its connection alone.
const (
	probeTime = 250 * time.Millisecond
	probeMax  = 2 * time.Second
)

// doubtTime is how long a leader whose Redis is there, and whose data still seemed to come a
// moment ago, is asked before it is taken for dead: it may be busy.
const doubtTime = 1500 * time.Millisecond

// leads asks the Redis of a node over the VPN whether it is a master. The
// default user accepts any password and may ask.
func (sw *switching) leads(ctx context.Context, address netip.Addr) (bool, error) {
	return sw.leadsWithin(ctx, address, probeTime)
}

func (sw *switching) leadsWithin(ctx context.Context, address netip.Addr, within time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return first(ctx, func(ctx context.Context) (bool, error) {
		client := redisq.Connect(redisq.Server{
			Address: net.JoinHostPort(address.String(), strconv.Itoa(cluster.RedisPort)),
		}, 1)
		leads, err := redisq.IsMaster(ctx, client)
		return leads, errors.Join(err, client.Close())
	})
}

// oldLeaderAnswers tells whether the present leader, if that is another node,
// is there and leads.
func (sw *switching) oldLeaderAnswers(ctx context.Context) bool {
	return slices.ContainsFunc(slices.Compact(sw.leaders), func(id int) bool { return sw.answersAsLeader(ctx, id) })
}

func (sw *switching) answersAsLeader(ctx context.Context, id int) bool {
	old, found := sw.before.Node(id)
	if !found || old.ID == sw.target.ID || old.ID == sw.session.self || !old.Address.IsValid() {
		return false
	}
	if !sw.isThere(ctx, old.Address) {
		return false
	}
	began := time.Now()
	for probe := probeTime; ; probe = min(2*probe, probeMax) {
		leads, err := sw.leadsWithin(ctx, old.Address, probe)
		if err == nil {
			return leads
		}
		if !sw.role.LinkUp || time.Since(began) >= doubtTime || !wait.For(ctx, prepareInterval) {
			return false
		}
	}
}
