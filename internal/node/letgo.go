package node

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"cluster-agent/internal/wait"
)

// letGoInterval is how often an old hub looks who is still there: the sooner it
// sees that a node has turned, the fewer packets between the two get lost.
const letGoInterval = 5 * time.Millisecond

// letGo stays the hub of the workers until the last has turned, or time is up:
// only through this node can they hear of the switch.
func (sw *switching) letGo(ctx context.Context, behind *behind) error {
	ctx, cancel := context.WithTimeout(ctx, sw.Wait)
	defer cancel()
	var kept []netip.Addr
	for {
		followers, err := sw.session.Followers(ctx)
		if err != nil {
			return err
		}
		remaining := behind.update(followers)
		if len(remaining) == 0 {
			return nil
		}
		if !slices.Equal(remaining, kept) {
			kept = remaining
			if err := sw.turnAllBut(ctx, kept); err != nil {
				return err
			}
		}
		if !wait.For(ctx, letGoInterval) {
			sw.Say("nodes at %v have not turned to node %d yet", kept, sw.target.ID)
			return nil
		}
	}
}

// watchWorkers asks each worker, over its link to this node, whether it is there, until
// stop is called: one that has turned does not hear the question any more.
func (sw *switching) watchWorkers(ctx context.Context) (b *behind, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	b = &behind{nodes: map[netip.Addr]*linger{}}
	for _, replica := range sw.role.Replicas {
		address, err := netip.ParseAddr(replica.Host)
		if err != nil || address == sw.target.Address {
			continue
		}
		b.nodes[address] = &linger{}
		asking.Go(func() {
			sw.awaitSilence(ctx, address)
			b.silent(address)
		})
	}
	return b, func() { cancel(); asking.Wait() }
}

// How long a worker may take for an answer: many times as long as for its quickest, and no
// less than a busy machine may need.
const (
	slower    = 8
	leastTime = 100 * time.Millisecond
)

// awaitSilence asks a worker again and again, until it does not answer any more in about
// the time that it took before.
func (sw *switching) awaitSilence(ctx context.Context, address netip.Addr) {
	limit := probeTime
	for {
		began := time.Now()
		if _, err := sw.leadsWithin(ctx, address, limit); err != nil {
			return
		}
		limit = min(limit, max(slower*time.Since(began), leastTime))
		if !wait.For(ctx, prepareInterval) {
			return
		}
	}
}

// behind are the workers of an old hub that may not have turned yet.
type behind struct {
	mu    sync.Mutex
	nodes map[netip.Addr]*linger
}

// linger is what an old hub knows of a worker. Its Redis was cut off when the
// mastership went, and comes back for a moment, or a second later.
type linger struct {
	seen   bool // its Redis has come back
	silent bool // it does not answer over the old link
}

func (b *behind) silent(address netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if node, there := b.nodes[address]; there {
		node.silent = true
	}
}

// update takes in whose Redis follows this one now, and returns who is behind,
// sorted. A worker has turned when its Redis has come back and left again, or
// when it neither came back nor answers.
func (b *behind) update(followers []netip.Addr) []netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, follower := range followers {
		if b.nodes[follower] == nil {
			b.nodes[follower] = &linger{}
		}
		b.nodes[follower].seen = true
	}
	var remaining []netip.Addr
	for address, node := range b.nodes {
		if !slices.Contains(followers, address) && (node.seen || node.silent) {
			delete(b.nodes, address)
			continue
		}
		remaining = append(remaining, address)
	}
	slices.SortFunc(remaining, netip.Addr.Compare)
	return remaining
}
