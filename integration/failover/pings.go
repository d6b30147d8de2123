package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cluster-agent/integration/lab"
)

// openTime is how long a way may take to open: longer than WireGuard takes to try a lost
// handshake again.
const openTime = 30 * time.Second

// gap is the longest time in which no ping was answered.
type gap struct {
	Length   time.Duration
	From, To int
	After    time.Duration // when it began, after what was measured had begun; it may have been before
}

func (g gap) String() string {
	if g.After < 0 {
		return fmt.Sprintf("nodes %d and %d, since %s ms before the command began", g.From, g.To, number(-g.After))
	}
	return fmt.Sprintf("nodes %d and %d, since %s ms after the command began", g.From, g.To, number(g.After))
}

// pings are probes between some nodes, one for each pair: an answer has gone both ways.
type pings []*lab.Prober

// startPings begins to ping, and returns when each way has been seen open.
func (st *stage) startPings(ctx context.Context, nodes []int) (pings, error) {
	var all pings
	for i, from := range nodes {
		for _, to := range nodes[i+1:] {
			p, err := st.lab().Node(from).Probe(ctx, to, st.cluster.VPNAddress(to))
			if err != nil {
				return nil, errors.Join(err, all.abandon())
			}
			all = append(all, p)
		}
	}
	if err := all.open(ctx, time.Now()); err != nil {
		return nil, errors.Join(err, all.abandon())
	}
	return all, nil
}

// abandon ends pings that nobody wants to know about.
func (p pings) abandon() error {
	_, err := p.stop(time.Now())
	return err
}

// open waits until each way has been seen open after a moment.
func (p pings) open(ctx context.Context, after time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	errs := make(chan error, len(p))
	for _, probe := range p {
		go func() { errs <- probe.Await(ctx, after) }()
	}
	found := make([]error, 0, len(p))
	for range p {
		found = append(found, <-errs)
	}
	return errors.Join(found...)
}

// stop ends the pings and returns the longest gap of each.
func (p pings) stop(began time.Time) ([]gap, error) {
	gaps := make([]gap, 0, len(p))
	errs := make([]error, 0, len(p))
	for _, probe := range p {
		s, err := probe.Stop()
		errs = append(errs, err)
		gaps = append(gaps, gap{s.Longest, s.From, s.To, s.Since.Sub(began)})
	}
	return gaps, errors.Join(errs...)
}

// worst is the longest of some gaps: of those with a node at one end, or of those without it.
func worst(gaps []gap, node int, with bool) gap {
	var longest gap
	for _, g := range gaps {
		if (g.From == node || g.To == node) == with && g.Length > longest.Length {
			longest = g
		}
	}
	return longest
}
