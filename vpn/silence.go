package vpn

import (
	"context"
	"errors"
	"path/filepath"
)

// Silence returns what keeps this host from sending anything to the cluster's
// nodes, whose keys are ours: their peers lose endpoint and keepalive. Allowed IPs
// and routes stay, so that what was meant for the tunnel takes no other way, and
// an administrator sees what was there. A peer that is told again where the
// others are, by their own packets, answers them. It is pure.
func Silence(now State, ours Keys) Plan {
	var plan Plan
	for _, p := range now.Peers {
		if !ours.Has(p.Key) {
			continue
		}
		c := PeerChange{Key: p.Key}
		switch {
		case p.Endpoint.IsValid():
			c.Do, c.EndpointWas, c.Gain = RenewPeer, p.Endpoint, p.AllowedIPs
		case p.Keepalive != 0:
			c.SetKeepalive = true
		default:
			continue
		}
		plan.Peers = append(plan.Peers, c)
	}
	return plan
}

// Speak returns what undoes a Silence: the peers that are ours get endpoints and
// keepalives from the file of wg-quick, where they do not have others. It is pure.
func Speak(now State, file []ConfPeer, ours Keys) Plan {
	var plan Plan
	peers := now.ByKey()
	for _, f := range file {
		p, exists := peers.Get(f.Key)
		if !exists || !ours.Has(f.Key) {
			continue
		}
		c := PeerChange{Node: f.Node, Key: f.Key}
		if !p.Endpoint.IsValid() {
			c.Endpoint = f.Endpoint
		}
		if p.Keepalive != f.Keepalive {
			c.Keepalive, c.SetKeepalive = f.Keepalive, true
		}
		if c.Endpoint.IsValid() || c.SetKeepalive {
			plan.Peers = append(plan.Peers, c)
		}
	}
	return plan
}

// Silence makes the interface send nothing more to the cluster's nodes. The file
// of wg-quick is left as it is. An interface that is not there is silent.
func (r *Reconciler) Silence(ctx context.Context) error {
	return r.adjust(ctx, func(run *run) (Plan, error) { return Silence(run.now, run.ours()), nil })
}

// Speak undoes a Silence, by the file of wg-quick.
func (r *Reconciler) Speak(ctx context.Context) error {
	return r.adjust(ctx, func(run *run) (Plan, error) {
		conf, err := loadConf(run.ConfPath)
		return Speak(run.now, conf.Peers(), run.ours()), err
	})
}

// Sends tells whether the interface may send something to the cluster's nodes.
func (r *Reconciler) Sends(ctx context.Context) (bool, error) {
	sends := false
	err := r.adjust(ctx, func(run *run) (Plan, error) {
		sends = !Silence(run.now, run.ours()).Empty()
		return Plan{}, nil
	})
	return sends, err
}

// ours are the keys of peers that are the cluster's, see wanter.ours.
func (r *run) ours() Keys { return newWanter(r.cluster, r.mem, r.now, nil).ours() }

// adjust changes the interface by a plan that is no reconciliation.
func (r *Reconciler) adjust(ctx context.Context, plan func(*run) (Plan, error)) error {
	lock, err := lockDir(ctx, filepath.Dir(r.ConfPath))
	if err != nil {
		return err
	}
	run := &run{Reconciler: r}
	if run.read(ctx) && run.now.Exists {
		changes, err := plan(run)
		run.fail("read the interface's file", err)
		run.fail("change the VPN interface", r.Device.Apply(ctx, changes))
	}
	run.fail("unlock", lock.Close())
	return errors.Join(run.errs...)
}
