package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
	"cluster-agent/worker/redisq"
)

// Arrival is how far a node has come that is to follow this one, the leader.
type Arrival struct {
	Node      int
	Link      bool          // it has a fresh handshake with this node
	LastHeard time.Duration // since the last handshake; 0: there was none
	Replica   bool          // its Redis follows this one and gets the stream
	Agent     bool          // its agent waits for tasks here
}

// Arrived says that nothing is left to be done.
func (a Arrival) Arrived() bool { return a.Link && a.Replica && a.Agent }

// String names what lags.
func (a Arrival) String() string {
	if a.Arrived() {
		return fmt.Sprintf("node %d follows", a.Node)
	}
	var lacks []string
	if !a.Link {
		heard := "it has had no handshake with this node"
		if a.LastHeard > 0 {
			heard = fmt.Sprintf("its last handshake was %s ago", a.LastHeard.Round(time.Second))
		}
		lacks = append(lacks, heard)
	}
	if !a.Replica {
		lacks = append(lacks, "its Redis does not follow")
	}
	if !a.Agent {
		lacks = append(lacks, "its agent is not connected")
	}
	return fmt.Sprintf("node %d lags: %s", a.Node, strings.Join(lacks, ", "))
}

// Arrivals looks, on the leader, at all other nodes, by their ids. None on a worker.
func (m *Machine) Arrivals(ctx context.Context) ([]Arrival, error) {
	var records vpn.Cluster
	var followers []netip.Addr
	err := m.with(func(s *session) error {
		role, err := s.Role(ctx)
		if err != nil || !role.Master {
			return err
		}
		if records, _, err = s.Snapshot(ctx, s.self); err != nil {
			return err
		}
		followers, err = s.InSync(ctx)
		return err
	})
	if err != nil || records.Leader != records.Self || records.Self == 0 {
		return nil, err
	}
	state, err := m.VPNState(ctx)
	if err != nil {
		return nil, err
	}
	agents, err := m.connectedAgents(ctx)
	return arrivals(records, state, followers, agents), err
}

func (m *Machine) connectedAgents(ctx context.Context) (agents []string, err error) {
	err = m.Delegate(func(d *Delegate) error {
		agents, err = redisq.NewClient(d.redis).Agents(ctx, agentIdle)
		return err
	})
	return agents, err
}

// arrivals puts what was seen together. It is pure.
func arrivals(records vpn.Cluster, state vpn.State, followers []netip.Addr, agents []string) []Arrival {
	var all []Arrival
	peers, following, atWork := state.ByKey(), setOf(followers), setOf(agents)
	for _, node := range records.Nodes {
		if node.ID == records.Self {
			continue
		}
		a := Arrival{
			Node: node.ID, Replica: following[node.Address],
			Agent: atWork[cluster.UserName(node.ID)],
		}
		if peer, found := peers.Get(node.PublicKey); found && !peer.LastHandshake.IsZero() {
			a.Link, a.LastHeard = state.Fresh(peer), state.Time.Sub(peer.LastHandshake)
		}
		all = append(all, a)
	}
	return all
}

// arrivalInterval is how often a new leader looks who has come.
const arrivalInterval = 200 * time.Millisecond

// WatchArrivals waits, on a new leader, until all nodes follow it, or the time is over,
// and then logs what has become of each. On a worker it does nothing.
func (m *Machine) WatchArrivals(ctx context.Context, within time.Duration, entry *logrus.Entry) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	began := time.Now()
	for {
		all, err := m.Arrivals(ctx)
		if err == nil && len(all) == 0 {
			return nil
		}
		lags := slices.ContainsFunc(all, func(a Arrival) bool { return !a.Arrived() })
		if err == nil && !lags {
			entry.Infof("all other nodes, %d, follow this one: links, Redis and agents, after %s", len(all), time.Since(began).Round(time.Millisecond))
			return nil
		}
		if wait.For(limited, arrivalInterval) {
			continue
		}
		for _, a := range all {
			if !a.Arrived() {
				entry.Warnf("%s after the change of the leader, %s", time.Since(began).Round(time.Second), a)
			}
		}
		return err
	}
}
