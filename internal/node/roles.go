package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"cluster-agent/internal/host"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
)

// lead makes this machine the leader.
func (sw *switching) lead(ctx context.Context) error {
	sw.Say("node %d, this node, is to lead", sw.target.ID)
	if err := sw.becomeMaster(ctx); err != nil {
		return err
	}
	// What is seen must survive a power cut: that this Redis is a master is kept
	// before anybody can read who leads. The data follow, and nobody waits for them;
	// should they be cut off, Settle finds that this node leads.
	rememberErr := sw.session.Remember(ctx)
	own, err := sw.begun(ctx)
	if err == nil {
		err = sw.session.SetLeader(ctx, own, sw.Endpoint)
	}
	if err != nil {
		return errors.Join(rememberErr, err)
	}
	err = errors.Join(rememberErr, sw.machine.beginSave(ctx, sw.session.Store), sw.turn(ctx), sw.machine.rememberLeadership(ctx, sw.session.Store, own))
	if err == nil {
		sw.Say("node %d leads: its Redis is master, its VPN the hub", sw.target.ID)
	}
	return err
}

func (sw *switching) becomeMaster(ctx context.Context) error {
	switch {
	case sw.role.Master:
		return nil
	case sw.Planned:
		return sw.receiveMastership(ctx)
	}
	// The users are adopted meanwhile: a replica may have them in any case.
	adopted := make(chan struct{})
	go func() {
		defer close(adopted)
		sw.adoptUsers(ctx)
	}()
	alive := !sw.Force && sw.oldLeaderAnswers(ctx)
	<-adopted
	if alive {
		return ErrLeaderAlive
	}
	sw.Say("node %d does not answer: taking over its Redis' data", sw.before.Leader)
	return sw.session.Lead(ctx)
}

// adoptUsers takes the users of the other nodes over before those come. One
// that cannot be taken over costs only itself.
func (sw *switching) adoptUsers(ctx context.Context) {
	if _, err := sw.session.AdoptACLs(ctx); err != nil {
		sw.machine.Log.Warnf("before leading: %v", err)
	}
}

// receiveMastership waits until the present leader has handed over.
func (sw *switching) receiveMastership(ctx context.Context) error {
	sw.adoptUsers(ctx)
	sw.Say("waiting for node %d to hand over its Redis' data", sw.before.Leader)
	calm := func() {}
	defer func() { calm() }()
	hurrying, due := false, time.Now().Add(linkTime)
	err := sw.prepare(ctx, func(ctx context.Context) (bool, error) {
		if !hurrying && (sw.linked(ctx) || time.Now().After(due)) {
			hurrying, calm = true, sw.hurry(ctx)
		}
		role, err := sw.session.Role(ctx)
		if err == nil && !role.Master && sw.machine.leftTo(ctx, sw.session, role.Source) {
			err = sw.session.Lead(ctx)
			return err == nil, err
		}
		return err == nil && role.Master, err
	})
	if err != nil {
		return sw.undo(ctx, fmt.Errorf("node %d did not hand over: %w", sw.before.Leader, err))
	}
	return nil
}

// linkTime is how long the other nodes may take for a handshake with this one, before it
// takes the lead all the same. Some may be off.
const linkTime = 300 * time.Millisecond

// linked tells whether all other nodes have had a handshake with this one.
func (sw *switching) linked(ctx context.Context) bool {
	there, err := sw.machine.present(ctx, sw.before, func(id int) bool { return id != sw.session.self })
	return err == nil && len(there) == len(sw.before.Nodes)-1
}

// hurry makes the local Redis acknowledge what it gets at once, for which the present
// leader waits before it hands over, until the function returned is called.
func (sw *switching) hurry(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := sw.session.HurryAcks(ctx); err != nil && ctx.Err() == nil {
			sw.machine.Log.Debugf("%v: the hand-over takes up to a second more", err)
		}
	}()
	return func() { cancel(); <-ended }
}

// handOver gives the mastership away, and makes this machine a worker. If it
// does not come about, this machine leads on.
func (sw *switching) handOver(ctx context.Context) error {
	sw.Say("handing over Redis' data to node %d", sw.target.ID)
	behind, stop := sw.watchWorkers(ctx)
	defer stop()
	if err := sw.session.HandOver(ctx, sw.target.Address, sw.Wait); err != nil {
		if !sw.targetLeads(ctx) {
			return sw.undo(ctx, err)
		}
		// Another implementation does not wait for the mastership. Two masters would be worse
		// than what it has not heard of.
		sw.Say("node %d leads already: %v", sw.target.ID, err)
		if err = sw.keepWrites(ctx); err == nil || sw.Force {
			err = sw.session.Follow(ctx, sw.target.Address)
		}
		if err != nil {
			return sw.undo(ctx, err)
		}
		sw.resumeWrites(ctx)
	}
	// First of all that a restart, or a power cut, changes nothing.
	err := errors.Join(sw.session.Remember(ctx), sw.nameTarget(ctx), sw.letGo(ctx, behind), sw.turn(ctx), sw.keep(ctx))
	if err == nil {
		sw.Say("node %d is a worker now and follows node %d", sw.session.self, sw.target.ID)
	}
	return err
}

// turnAllBut makes the target the leader for this machine, which stays the hub
// of the nodes at the addresses given.
func (sw *switching) turnAllBut(ctx context.Context, behind []netip.Addr) error {
	records := sw.records(sw.target.ID)
	for _, node := range records.Nodes {
		if slices.Contains(behind, node.Address) && node.ID != sw.target.ID {
			records.Behind = append(records.Behind, node.ID)
		}
	}
	_, err := sw.machine.reconcile(ctx, given(records))
	return err
}

// follow makes this machine, a worker, follow the new leader.
func (sw *switching) follow(ctx context.Context) error {
	if err := sw.awaitLeader(ctx); err != nil {
		return err
	}
	defer sw.resumeWrites(ctx)
	if err := sw.keepWrites(ctx); err != nil && !sw.Force {
		return sw.undo(ctx, err)
	}
	sw.Say("node %d, this node, follows node %d", sw.session.self, sw.target.ID)
	var leaveErr error
	if sw.Planned {
		if leaveErr = sw.leave(ctx); errors.Is(leaveErr, errMadeMaster) {
			return sw.undo(ctx, leaveErr)
		}
	} else {
		leaveErr = sw.machine.forgetLeadership()
	}
	turnErr := sw.turn(ctx)
	if err := sw.session.Follow(ctx, sw.target.Address); err != nil {
		return errors.Join(leaveErr, turnErr, err)
	}
	sw.resumeWrites(ctx)
	return errors.Join(leaveErr, turnErr, sw.session.Remember(ctx), sw.awaitReplica(ctx), sw.keep(ctx))
}

// leaveTime is how long the link to the old hub outlives the replication over
// it. The old hub looks every prepareInterval whether this node has left.
const leaveTime = 2 * prepareInterval

// leave follows the new leader while the link to the old one is still there:
// through it the old one learns that this node's Redis has left, and turns in
// the same moment as this node does.
func (sw *switching) leave(ctx context.Context) error {
	records := sw.records(sw.target.ID)
	records.Behind = []int{sw.before.Leader}
	_, vpnErr := sw.machine.reconcile(ctx, given(records))
	if sw.madeMaster(ctx) {
		return errMadeMaster
	}
	if err := sw.session.Follow(ctx, sw.target.Address); err != nil {
		return errors.Join(vpnErr, err)
	}
	sw.resumeWrites(ctx)
	wait.For(ctx, leaveTime)
	return vpnErr
}

// errMadeMaster ends a switch to another node: the leader has changed its mind, and handed
// over to this one. Its announcement waits for this switch to end.
var errMadeMaster = errors.New("this node's Redis has been made master meanwhile")

// madeMaster tells whether the local Redis, a replica when the switch began, has got the
// mastership since.
func (sw *switching) madeMaster(ctx context.Context) bool {
	if sw.role.Master {
		return false
	}
	role, err := sw.session.Role(ctx)
	return err == nil && role.Master
}

// awaitLeader waits until the target leads. When nobody leads, there is nothing
// to lose: this node turns at once, and the target finds it waiting.
func (sw *switching) awaitLeader(ctx context.Context) error {
	if !sw.Planned && sw.nobodyElseLeads(ctx) {
		return nil
	}
	sw.Say("waiting for node %d to lead", sw.target.ID)
	err := sw.meet(ctx)
	if err == nil {
		err = sw.prepare(ctx, sw.askTarget(time.Now()))
	}
	if err == nil || !sw.missed && !sw.oldLeaderAnswers(ctx) {
		return nil
	}
	return sw.undo(ctx, fmt.Errorf("node %d, this node stays with node %d: %w: %w",
		sw.target.ID, sw.before.Leader, errDoesNotLead, err))
}

// deafTime is how long a target that has had a handshake may leave questions unanswered.
const deafTime = time.Second

// askTarget asks the target again and again whether it leads. Two nodes that begin a
// handshake with each other in the same moment may get none that works, which WireGuard
// notices after 15 seconds; here the link is begun anew.
func (sw *switching) askTarget(heard time.Time) func(context.Context) (bool, error) {
	probe := probeTime
	return func(ctx context.Context) (bool, error) {
		if sw.madeMaster(ctx) {
			return true, nil // what comes next finds out
		}
		leads, err := sw.leadsWithin(ctx, sw.target.Address, probe)
		if err == nil {
			heard, probe = time.Now(), probeTime
			return leads, nil
		}
		probe = min(2*probe, probeMax)
		if time.Since(heard) > deafTime {
			heard = time.Now()
			err = errors.Join(err, sw.renewTarget(ctx))
		}
		return false, err
	}
}

// renewTarget makes the link to the target anew.
func (sw *switching) renewTarget(ctx context.Context) error {
	device, err := netdev.Open(host.WireGuardInterface)
	if err != nil {
		return fmt.Errorf("open %s: %w", host.WireGuardInterface, err)
	}
	return errors.Join(vpn.Renew(ctx, device, sw.target.PublicKey), device.Close())
}

// nobodyElseLeads tells that this node can turn to the target at once: it leads already, or
// the present leader does not answer. Both are asked at the same time.
func (sw *switching) nobodyElseLeads(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	told := make(chan bool, 2)
	asking.Go(func() { told <- !sw.oldLeaderAnswers(ctx) })
	asking.Go(func() {
		if sw.meet(ctx) == nil && sw.targetLeads(ctx) {
			told <- true
		}
	})
	return <-told
}

// awaitReplica waits until this node's Redis is in sync. If the target does not
// lead yet, that is no failure: this node has done its part, and its Redis
// connects by itself as soon as it can.
func (sw *switching) awaitReplica(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sw.Wait)
	defer cancel()
	started := time.Now()
	hint := "; if it does not lead yet, run switch-leader there"
	if sw.Planned || sw.targetLeads(ctx) {
		hint = ""
	}
	sw.Say("waiting for the data of node %d%s", sw.target.ID, hint)
	err := sw.connect(ctx)
	if err == nil {
		sw.Say("in sync with node %d after %s", sw.target.ID, time.Since(started).Round(time.Millisecond))
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		sw.Say("node %d does not answer yet: this node connects by itself as soon as it does", sw.target.ID)
		return nil
	}
	return err
}

// connect waits until this node's Redis is in sync with the target. When the target comes
// to lead, it is told to try at once.
func (sw *switching) connect(ctx context.Context) error {
	tried, pause := time.Now(), retryTime
	for {
		role, err := sw.session.Role(ctx)
		if err == nil && !role.Master && role.LinkUp {
			return nil
		}
		if err == nil && role.Connecting && time.Since(tried) > pause && sw.targetLeads(ctx) {
			err = sw.session.FollowAnew(ctx, sw.target.Address)
			tried, pause = time.Now(), 2*pause
		}
		if !wait.For(ctx, prepareInterval) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// retryTime is how long Redis' first try to connect may take. It may have come too early, and
// its packet be lost, which TCP finds out after a second. Later tries have ever more time.
const retryTime = 100 * time.Millisecond
