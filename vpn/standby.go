package vpn

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
)

// Standby returns what adds the peers that stand by, where they are wanted and not there
// yet, and what takes those away again. One that is to be tried (c.Standby), and stands by
// at another endpoint already, is begun with afresh: a handshake there says nothing of
// this one. Neither changes anything else. It is pure.
func Standby(c Cluster, have State, want Desired) (add, remove Plan) {
	peers := have.ByKey()
	for _, w := range want.Peers {
		tried := slices.Contains(c.Standby, w.Node)
		peer, exists := peers.Get(w.Key)
		switch {
		case !tried && !c.StandsBy || len(w.AllowedIPs)+len(peer.AllowedIPs) > 0:
		case !exists:
			change, _ := diffPeer(peer, exists, w, nil)
			add.Peers = append(add.Peers, change)
			remove.Peers = append(remove.Peers, PeerChange{Node: w.Node, Key: w.Key, Do: RemovePeer})
		case tried && w.Configured.IsValid() && peer.Endpoint != w.Configured:
			add.Peers = append(add.Peers, afresh(w.Node, peer, w.Configured))
			remove.Peers = append(remove.Peers, afresh(w.Node, peer, peer.Endpoint))
		}
	}
	return add, remove
}

// afresh begins again with a peer without allowed IPs, at an endpoint.
func afresh(node int, p Peer, endpoint netip.AddrPort) PeerChange {
	return PeerChange{Node: node, Key: p.Key, Do: RenewPeer, Endpoint: endpoint, Keepalive: p.Keepalive, SetKeepalive: true}
}

// Standby adds the peers that stand by, and returns what takes them away again. No file
// is written: what a crash leaves on the interface, the next run removes.
func (r *Reconciler) Standby(ctx context.Context) (remove Plan, warnings []Warning, err error) {
	lock, err := lockDir(ctx, filepath.Dir(r.ConfPath))
	if err != nil {
		return remove, nil, err
	}
	run := &run{Reconciler: r}
	run.standby(ctx, &remove)
	run.fail("unlock", lock.Close())
	return remove, sortWarnings(run.report.Warnings), errors.Join(run.errs...)
}

func (r *run) standby(ctx context.Context, remove *Plan) {
	if !r.read(ctx) {
		return
	}
	if !r.now.Exists {
		r.errs = append(r.errs, errors.New("the VPN interface does not exist"))
		return
	}
	if !r.decide(r.resolve(ctx)) {
		return
	}
	var add Plan
	add, *remove = Standby(r.cluster, r.now, r.want)
	if r.enters(add) {
		return
	}
	r.fail("change the VPN interface", r.Device.Apply(ctx, add))
}

// enters says whether a peer that stands by would be looked for inside the tunnel: a
// handshake would prove nothing.
func (r *run) enters(add Plan) bool {
	for _, change := range add.Peers {
		for _, route := range r.now.Routes {
			if route.Dst.Contains(change.Endpoint.Addr()) {
				return r.fail(fmt.Sprintf("node %d", change.Node), fmt.Errorf("its endpoint %s is inside the tunnel", change.Endpoint))
			}
		}
	}
	return false
}
