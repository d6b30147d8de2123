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
func (sw *switching) letGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sw.Wait)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	behind := sw.watchWorkers(ctx, &asking)
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

// watchWorkers begins to ask each worker, over its link to this node, whether it
// is there: one that has turned does not hear the question any more.
func (sw *switching) watchWorkers(ctx context.Context, asking *sync.WaitGroup) *behind {
	b := &behind{nodes: map[netip.Addr]*linger{}}
	for _, replica := range sw.role.Replicas {
		address, err := netip.ParseAddr(replica.Host)
		if err != nil || address == sw.target.Address {
			continue
		}
		b.nodes[address] = &linger{}
		asking.Go(func() {
			for {
				if _, err := sw.leads(ctx, address); err != nil {
					b.silent(address)
					return
				}
				if !wait.For(ctx, prepareInterval) {
					return
				}
			}
		})
	}
	return b
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
