package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cluster-agent/internal/cluster"
)

// lead makes this machine the leader.
func (sw *switching) lead(ctx context.Context) error {
	sw.Say("node %d, this node, is to lead", sw.target.ID)
	if err := sw.becomeMaster(ctx); err != nil {
		return err
	}
	if err := sw.session.SetLeader(ctx, sw.target.ID, sw.Endpoint); err != nil {
		return err
	}
	// Saved last: the others wait for the turn, not for the disk.
	err := errors.Join(sw.turn(ctx), sw.session.Remember(ctx), sw.session.Persist(ctx))
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
	case !sw.Force && sw.oldLeaderAnswers(ctx):
		return ErrLeaderAlive
	}
	// The users of the other nodes must be here before they come.
	if _, err := sw.session.AdoptACLs(ctx); err != nil {
		return err
	}
	sw.Say("node %d does not answer: taking over its Redis' data", sw.before.Leader)
	return sw.session.Lead(ctx)
}

// receiveMastership waits until the present leader has handed over.
func (sw *switching) receiveMastership(ctx context.Context) error {
	if _, err := sw.session.AdoptACLs(ctx); err != nil {
		return err
	}
	sw.Say("waiting for node %d to hand over its Redis' data", sw.before.Leader)
	err := sw.prepare(ctx, func(ctx context.Context) (bool, error) {
		role, err := sw.session.Role(ctx)
		return err == nil && role.Master, err
	})
	if err != nil {
		return sw.undo(ctx, fmt.Errorf("node %d did not hand over: %w", sw.before.Leader, err))
	}
	return nil
}

// handOver gives the mastership away, and makes this machine a worker. If it
// does not come about, this machine leads on.
func (sw *switching) handOver(ctx context.Context) error {
	sw.Say("handing over Redis' data to node %d", sw.target.ID)
	if err := sw.session.HandOver(ctx, sw.target.Address, sw.Wait); err != nil {
		return sw.undo(ctx, err)
	}
	err := errors.Join(sw.turn(ctx), sw.session.Remember(ctx))
	if err == nil {
		sw.Say("node %d is a worker now and follows node %d", sw.session.self, sw.target.ID)
	}
	return err
}

// follow makes this machine, a worker, follow the new leader.
func (sw *switching) follow(ctx context.Context) error {
	if err := sw.awaitLeader(ctx); err != nil {
		return err
	}
	sw.Say("node %d, this node, follows node %d", sw.session.self, sw.target.ID)
	vpnErr := sw.turn(ctx)
	if err := sw.session.Follow(ctx, sw.target.Address); err != nil {
		return errors.Join(vpnErr, err)
	}
	return errors.Join(vpnErr, sw.session.Remember(ctx), sw.awaitReplica(ctx))
}

// awaitLeader waits until the target leads. When nobody leads, there is nothing
// to lose: this node turns at once, and the target finds it waiting.
func (sw *switching) awaitLeader(ctx context.Context) error {
	if !sw.Planned && !sw.oldLeaderAnswers(ctx) {
		return nil
	}
	sw.Say("waiting for node %d to lead", sw.target.ID)
	err := sw.meet(ctx)
	if err == nil {
		err = sw.prepare(ctx, func(ctx context.Context) (bool, error) {
			return sw.leads(ctx, sw.target.Address)
		})
	}
	if err == nil || !sw.oldLeaderAnswers(ctx) {
		return nil
	}
	return sw.undo(ctx, fmt.Errorf("node %d does not lead, this node stays with node %d: %w",
		sw.target.ID, sw.before.Leader, err))
}

// awaitReplica waits until this node's Redis is in sync. If the target does not
// lead yet, that is no failure: this node has done its part, and its Redis
// connects by itself as soon as it can.
func (sw *switching) awaitReplica(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sw.Wait)
	defer cancel()
	started := time.Now()
	sw.Say("waiting for the data of node %d; if it does not lead yet, run switch-leader there", sw.target.ID)
	err := sw.session.WaitRole(ctx, func(role cluster.Role) bool { return !role.Master && role.LinkUp })
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
