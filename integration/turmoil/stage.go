package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// stage is a cluster, used for one schedule after the other as long as it heals.
type stage struct {
	*lab.Cluster

	prepared []int // those who can lead: all but the last
	silence  time.Duration
	clock    *clock
}

// newStage makes a cluster of which all nodes but the last can lead.
func newStage(ctx context.Context, nodes int, programs string) (*stage, error) {
	l, err := lab.New(ctx, lab.Config{Nodes: nodes, Programs: programs})
	if err != nil {
		return nil, err
	}
	st := &stage{Cluster: lab.NewCluster(l)}
	st.clock = startClock(ctx, st.Cluster)
	if err := st.build(ctx); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (st *stage) build(ctx context.Context) error {
	if err := st.Up(ctx); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	st.prepared = st.Members[:len(st.Members)-1]
	return nil
}

// prepare gives endpoints to the nodes that can lead, and a setting to the agents, waits
// until the cluster is whole, and has all nodes save that: they may die in a moment.
func (st *stage) prepare(ctx context.Context, silence time.Duration) error {
	if err := heal(ctx, st.Cluster, nobody); err != nil {
		return err
	}
	for _, id := range st.prepared {
		if err := st.SetEndpoint(ctx, id, st.Endpoint(id)); err != nil {
			return err
		}
	}
	if err := replicates(ctx, st.Cluster); err != nil {
		return err
	}
	if err := errors.Join(st.setSilence(ctx, silence), heal(ctx, st.Cluster, nobody)); err != nil {
		return err
	}
	for _, n := range st.Lab.Nodes {
		if err := save(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// save has a Redis save its data. It refuses while it does so by itself.
func save(ctx context.Context, n *lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	return lab.Until(ctx, lookInterval, func(ctx context.Context) error {
		_, err := n.RedisCLI(ctx, "SAVE")
		return err
	})
}

func (st *stage) close() error {
	st.clock.stop()
	return st.Lab.Close()
}

// silenceSetting is the node agents' setting.
const silenceSetting = "AGENT_LEADER_SILENCE="

// setSilence gives all node agents a setting; 0 is its default.
func (st *stage) setSilence(ctx context.Context, silence time.Duration) error {
	if st.silence == silence {
		return nil
	}
	for _, n := range st.Lab.Nodes {
		const file = stateDir + "agent.env"
		text, err := n.ReadFile(file)
		if err != nil {
			return err
		}
		var kept strings.Builder
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, silenceSetting) {
				kept.WriteString(line)
			}
		}
		if silence > 0 {
			kept.WriteString(silenceSetting + silence.String() + "\n")
		}
		if err := n.WriteFile(file, kept.String(), 0o600); err != nil {
			return err
		}
		if err := n.Service(lab.NodeAgent).Restart(ctx); err != nil {
			return err
		}
	}
	st.silence = silence
	return nil
}

// nobody listens.
func nobody(string, ...any) {}
