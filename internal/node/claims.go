package node

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
	"cluster-agent/worker/redisq"
)

// claim is a node's word that it leads this cluster. That it comes from this node is
// WireGuard's word: nobody else has an address of the VPN.
type claim struct {
	cluster.Leadership

	node   vpn.Node
	origin cluster.Origin
}

// claimTime bounds the question to one node. A handshake may have to come first.
const claimTime = 2 * time.Second

// othersTime is how much longer than the first the others may take to answer.
const othersTime = 300 * time.Millisecond

// mostAsked is how many nodes are asked at the same time.
const mostAsked = 32

// errNoClaim is a node that can be asked, and does not lead this cluster.
var errNoClaim = errors.New("it does not lead this cluster")

// hearing is what came of asking nodes whether they lead.
type hearing struct {
	claims   []claim
	answered []int // the nodes that said whether they do
}

// hear asks nodes over the VPN whether they lead, all at the same time. Those that do
// not answer soon after the first that does lead, and not earlier than what this node
// knows, are left out.
func (m *Machine) hear(ctx context.Context, nodes []vpn.Node, uuid string, known cluster.Leadership) hearing {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	var mu sync.Mutex
	var heard hearing
	var asking sync.WaitGroup
	slots := make(chan struct{}, mostAsked)
	for _, node := range nodes {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			c, err := askClaim(ctx, node, uuid)
			if err != nil && !errors.Is(err, errNoClaim) {
				m.Log.Debugf("ask node %d whether it leads: %v", node.ID, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			heard.answered = append(heard.answered, node.ID)
			if err == nil {
				heard.claims = append(heard.claims, c)
			}
			if err == nil && !c.OlderThan(known) {
				time.AfterFunc(othersTime, cancel)
			}
		})
	}
	asking.Wait()
	return heard
}

// askClaim asks the Redis of a node, as the user default, who may read what is the
// cluster's.
func askClaim(ctx context.Context, node vpn.Node, uuid string) (c claim, err error) {
	client := redisq.Connect(redisq.Server{
		Address: net.JoinHostPort(node.Address.String(), strconv.Itoa(cluster.RedisPort)),
	}, 1)
	defer func() { err = errors.Join(err, client.Close()) }()
	leads, err := redisq.IsMaster(ctx, client)
	if err != nil {
		return c, err
	}
	store := cluster.NewStore(client)
	theirs, uuidErr := store.UUID(ctx)
	leadership, leadershipErr := store.Leadership(ctx)
	origin, originErr := store.Origin(ctx)
	if err = errors.Join(uuidErr, leadershipErr, originErr); err != nil {
		return c, err
	}
	if !leads || uuid == "" || theirs != uuid || leadership.Node != node.ID {
		return c, errNoClaim
	}
	return claim{Leadership: leadership, node: node, origin: origin}, nil
}

// present are those nodes, of the ones that are wanted, that are there, as far as
// handshakes tell.
func (m *Machine) present(ctx context.Context, records vpn.Cluster, wanted func(id int) bool) ([]vpn.Node, error) {
	state, err := m.VPNState(ctx)
	if err != nil {
		return nil, err
	}
	return presentBy(state, records, wanted), nil
}

func presentBy(state vpn.State, records vpn.Cluster, wanted func(id int) bool) (nodes []vpn.Node) {
	peers := state.ByKey()
	for _, n := range records.Nodes {
		if !wanted(n.ID) || !n.Address.IsValid() {
			continue
		}
		if peer, found := peers.Get(n.PublicKey); found && state.Fresh(peer) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// latest is the claim to which all others have to give way.
func latest(claims []claim) (best claim, found bool) {
	for _, c := range claims {
		if !found || c.LaterThan(best.Leadership) {
			best, found = c, true
		}
	}
	return best, found
}

// rivalLife is for how long a rival is remembered that does not answer any more: a
// question, or an answer, may get lost.
const rivalLife = 30 * time.Second

// rivalMemory is the last rival that was heard of.
type rivalMemory struct {
	mu    sync.Mutex
	claim claim
	until time.Time
}

// recall takes in what was heard now, of claims later than own, and returns the latest
// claim that counts: one of these, or the last one that was heard.
func (r *rivalMemory) recall(claims []claim, own cluster.Leadership, now time.Time) (c claim, answers, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	remembered := now.Before(r.until) && r.claim.LaterThan(own)
	c, found = latest(claims)
	if !found || remembered && r.claim.LaterThan(c.Leadership) {
		return r.claim, false, remembered
	}
	r.claim, r.until = c, now.Add(rivalLife)
	return c, true, true
}
