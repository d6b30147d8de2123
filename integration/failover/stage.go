package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// settleTime is how long a cluster may take to become what it should be.
const settleTime = 90 * time.Second

// stage is the cluster on which all is measured.
type stage struct {
	config

	cluster *lab.Cluster
	members []int          // as the cluster's, but never changed
	keys    map[int]string // public keys of wg0, in hex
	roll    roll
	random  *rand.Rand
	say     func(string, ...any)
	typed   bool // a leader of old did not come home by itself
}

func (st *stage) lab() *lab.Lab { return st.cluster.Lab }

// newStage builds the cluster, led by node 1. Every node is prepared to lead, and has the
// action of the tasks.
func newStage(ctx context.Context, c config, say func(string, ...any)) (*stage, error) {
	say("building a cluster of %d nodes", c.nodes)
	l, err := lab.New(ctx, lab.Config{Nodes: c.nodes, Programs: c.programs})
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(c.seed, 1)) //nolint:gosec // it has to be repeatable
	st := &stage{config: c, cluster: lab.NewCluster(l), keys: map[int]string{}, random: random, say: say}
	if err = st.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return st, nil
}

func (st *stage) prepare(ctx context.Context) error {
	if err := st.cluster.Up(ctx); err != nil {
		return err
	}
	st.members = slices.Clone(st.cluster.Members)
	st.roll.set(st.members)
	for _, n := range st.lab().Nodes {
		if err := n.WriteFile(stepPath, step, 0o755); err != nil {
			return err
		}
		if err := st.cluster.SetEndpoint(ctx, n.ID, st.cluster.Endpoint(n.ID)); err != nil {
			return err
		}
		key, err := n.ReadFile("/etc/nethserver/wg0.pub")
		if err != nil {
			return err
		}
		if st.keys[n.ID], err = hexKey(key); err != nil {
			return err
		}
	}
	return st.settled(ctx)
}

// settled waits until all is as it should be, so that what is measured next starts from there.
func (st *stage) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := st.cluster.Settled(ctx); err != nil {
		return fmt.Errorf("the cluster does not settle:\n%w", err)
	}
	if err := st.cluster.AgentsAlive(ctx); err != nil {
		return fmt.Errorf("not all agents work for node %d: %w", st.cluster.Leader, err)
	}
	if lost := lab.Unreached(st.cluster.PingAll(ctx, openTime)); len(lost) > 0 {
		return errors.New(strings.Join(lost, "\n"))
	}
	return st.replicated(ctx)
}

// without are the nodes but one.
func without(nodes []int, node int) []int {
	return slices.DeleteFunc(slices.Clone(nodes), func(id int) bool { return id == node })
}
