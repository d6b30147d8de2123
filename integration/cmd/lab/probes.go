package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// startProbes watches the ways from node 2, which is a worker before and after, to all
// others. In a cluster of three each of those is a worker either before (node 3) or after
// (node 1); from the fourth on they are workers all the time.
func (d *demo) startProbes(ctx context.Context) ([]*lab.Prober, error) {
	var probes []*lab.Prober
	for _, to := range d.cluster.Members {
		if to == observer {
			continue
		}
		p, err := d.cluster.Lab.Node(observer).Probe(ctx, to, d.cluster.VPNAddress(to))
		if err != nil {
			return nil, errors.Join(err, d.stopProbes(probes))
		}
		probes = append(probes, p)
	}
	awaitProbes(ctx, probes)
	return probes, nil
}

// awaitProbes waits until every way is open now; one that stays closed shows as silence.
func awaitProbes(ctx context.Context, probes []*lab.Prober) {
	ctx, cancel := context.WithTimeout(ctx, 2*pingTime)
	defer cancel()
	for _, p := range probes {
		if p.Await(ctx, time.Now()) != nil {
			return
		}
	}
}

func (d *demo) stopProbes(probes []*lab.Prober) error {
	errs := make([]error, 0, len(probes))
	for _, p := range probes {
		silence, err := p.Stop()
		errs = append(errs, err)
		d.silence = append(d.silence, silence)
	}
	return errors.Join(errs...)
}

// describe says for how long packets did not get through: at worst, and by pair.
func describe(all []lab.Silence) string {
	worst := slices.MaxFunc(all, func(a, b lab.Silence) int { return int(a.Longest - b.Longest) })
	pairs := make([]string, 0, len(all))
	for _, s := range all {
		pairs = append(pairs, fmt.Sprintf("%d-%d %.2f s", s.From, s.To, s.Longest.Seconds()))
	}
	if len(pairs) > wide {
		pairs = []string{fmt.Sprintf("%d-%d, of %d ways from node %d", worst.From, worst.To, len(all), worst.From)}
	}
	return fmt.Sprintf("Packets between two workers did not get through for %.2f s at most (%s).",
		worst.Longest.Seconds(), strings.Join(pairs, ", "))
}
