package promotenode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/node"
	"cluster-agent/vpn"
)

// Times of the tries over WireGuard.
const (
	standbyTime = 5 * time.Second
	// WireGuard tries a handshake again after 5 s (whitepaper, REKEY_TIMEOUT): two of
	// them may get lost.
	meetSeconds = 12
	meetTime    = (meetSeconds + 5) * time.Second // with the look-up of a name, and taking back what was done
	meetAtOnce  = 32                              // nodes at the same time
)

// links wants every connected node to get a handshake with the candidate at the
// endpoint. The candidate knows all nodes for that time, and each of them tries it, over
// a peer that carries no traffic: nothing changes for anybody. The links that carry the
// cluster stay as they are.
func (s steps) links(ctx context.Context, in input) (finding, error) {
	in, err := s.complete(ctx, in)
	if err != nil {
		return finding{}, err
	}
	own, err := s.ownLink(ctx, in)
	if err != nil {
		return finding{}, err
	}
	others, err := s.connected(ctx, in)
	if err != nil || len(others) == 0 {
		return own, err
	}
	var met []meeting
	err = s.machine.Delegate(func(d *node.Delegate) error {
		return d.WithStandby(ctx, in.NodeID, standbyTime, func() error {
			met = meetAll(ctx, d, in, others)
			return ctx.Err()
		})
	})
	switch {
	case errors.Is(err, node.ErrCannotTell):
		own.open = append(own.open, fmt.Sprintf("whether the others reach node %d at %s: %v", in.NodeID, in.endpoint(), err))
		return own, nil
	case errors.Is(err, node.ErrNoAnswer):
		return own, in.refuse(exitNoAgent, "node_agent_not_alive",
			fmt.Errorf("the agent of node %d did not get ready for the others in %s: see its log", in.NodeID, standbyTime))
	case err != nil:
		return own, fmt.Errorf("let node %d stand by: %w", in.NodeID, err)
	}
	return judge(in, own, met)
}

// ownLink looks at the link that this node has with the candidate anyway.
func (s steps) ownLink(ctx context.Context, in input) (finding, error) {
	candidate, err := s.candidate(ctx, in)
	if err != nil {
		return finding{}, err
	}
	state, err := s.machine.VPNState(ctx)
	if err != nil {
		return finding{}, err
	}
	if !state.Exists {
		return finding{open: []string{"the link of this node, which has no VPN interface"}}, nil
	}
	peer, found := state.Peer(candidate.PublicKey)
	if !found || !state.Fresh(peer) {
		return finding{}, in.refuse(exitNoLink, "node_vpn_not_reachable",
			fmt.Errorf("this node, the leader, has had no handshake with node %d for %s: see vpn-status on both", in.NodeID, vpn.HandshakeFresh))
	}
	return finding{detail: fmt.Sprintf("this node's link with node %d is up", in.NodeID)}, nil
}

// connected are the other workers whose Redis follows this one, and whose agents are there.
func (s steps) connected(ctx context.Context, in input) ([]int, error) {
	var others []int
	err := s.machine.Redis(func(store *cluster.Store) error {
		nodes, _, err := store.Nodes(ctx)
		if err != nil {
			return err
		}
		followers, err := store.Followers(ctx)
		for _, follower := range followers {
			for _, n := range nodes {
				if n.Address == follower && n.ID != in.NodeID {
					others = append(others, n.ID)
				}
			}
		}
		return err
	})
	return others, err
}

// meeting is what became of a node's try.
type meeting struct {
	node int
	took time.Duration
	at   string
	err  error
}

// meetAll lets nodes try, side by side.
func meetAll(ctx context.Context, d *node.Delegate, in input, others []int) []meeting {
	met := make([]meeting, len(others))
	slots := make(chan struct{}, meetAtOnce)
	var trying sync.WaitGroup
	for i, id := range others {
		slots <- struct{}{}
		trying.Go(func() {
			defer func() { <-slots }()
			met[i] = meet(ctx, d, in, id)
		})
	}
	trying.Wait()
	return met
}

func meet(ctx context.Context, d *node.Delegate, in input, id int) meeting {
	var answer struct {
		Endpoint     string `json:"endpoint"`
		Milliseconds int64  `json:"milliseconds"`
	}
	err := d.Ask(ctx, node.Question{
		Node: id, Action: "meet-node", Output: &answer, Taken: takeTime, Within: meetTime,
		Input: map[string]any{"node_id": in.NodeID, "endpoint": in.endpoint(), "seconds": meetSeconds},
	})
	return meeting{node: id, took: time.Duration(answer.Milliseconds) * time.Millisecond, at: answer.Endpoint, err: err}
}

// judge says what the tries mean.
func judge(in input, found finding, met []meeting) (finding, error) {
	var lost []error
	for _, m := range met {
		switch {
		case m.err == nil:
			found.detail += fmt.Sprintf("; node %d has a handshake with it at %s within %s", m.node, m.at, m.took)
		case errors.Is(m.err, node.ErrCannotTell), errors.Is(m.err, node.ErrNoAnswer):
			found.open = append(found.open, fmt.Sprintf("whether node %d reaches node %d at %s: %v", m.node, in.NodeID, in.endpoint(), m.err))
		default:
			lost = append(lost, fmt.Errorf("node %d: %w", m.node, m.err))
		}
	}
	if len(lost) == 0 {
		return found, nil
	}
	return found, in.refuse(exitNoLink, "node_vpn_not_reachable", fmt.Errorf(
		"%w: see that UDP port %d is open at node %d, and that %s leads there from everywhere", errors.Join(lost...), in.Port, in.NodeID, in.host()))
}
