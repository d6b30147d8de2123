package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cluster-agent/integration/lab"
)

const (
	candidate = 3 // the worker that is promoted
	observer  = 2 // the worker whose packets are watched
	// settleTime is how long a cluster may take to become what it should be; pingTime is
	// longer than WireGuard's five seconds between two tries to shake hands.
	settleTime = 30 * time.Second
	pingTime   = 6 * time.Second
)

// demo is one run of the demonstration.
type demo struct {
	options

	out     *printer
	cluster *lab.Cluster
	took    time.Duration
	late    error // what was not as it should be when the time for it was over
	silence []lab.Silence
}

// run does what an administrator does, from empty machines to the new leader.
func (d *demo) run(ctx context.Context) error {
	d.out.line(d.out.paint(bold, fmt.Sprintf("A cluster of %d nodes on this machine", d.nodes)))
	steps := []func(context.Context) error{
		d.machines, d.setUp, d.create, d.join, d.settle, d.giveEndpoint, d.before, d.promote, d.after,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return errors.Join(err, lastWords(d.cluster))
		}
	}
	return nil
}

func (d *demo) machines(ctx context.Context) error {
	return d.out.step(fmt.Sprintf("%d machines: namespaces, links to one switch", d.nodes), func() error {
		l, err := lab.New(ctx, lab.Config{Nodes: d.nodes, Programs: d.programs})
		if err == nil {
			d.cluster = lab.NewCluster(l)
		}
		return err
	})
}

func (d *demo) setUp(ctx context.Context) error {
	return d.out.step("every node: redis-server, agent setup-node, agents", func() error {
		return d.cluster.Lab.Setup(ctx)
	})
}

func (d *demo) create(ctx context.Context) error {
	return d.out.step("node 1: api-cli run create-cluster", func() error { return d.cluster.Create(ctx) })
}

func (d *demo) join(ctx context.Context) error {
	workers := make([]int, 0, d.nodes)
	for id := 2; id <= d.nodes; id++ {
		workers = append(workers, id)
	}
	what := fmt.Sprintf("node 1: add-node; nodes 2 to %d: join-node", d.nodes)
	return d.out.step(what, func() error { return d.cluster.Join(ctx, workers...) })
}

func (d *demo) settle(ctx context.Context) error {
	return d.out.step("every node is what it should be", func() error {
		limited, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		return d.cluster.Settled(limited)
	})
}

func (d *demo) giveEndpoint(ctx context.Context) error {
	endpoint := d.cluster.Endpoint(candidate)
	what := fmt.Sprintf("node 1: redis-cli HSET node/%d/vpn endpoint %s", candidate, endpoint)
	return d.out.step(what, func() error { return d.cluster.SetEndpoint(ctx, candidate, endpoint) })
}

func (d *demo) before(ctx context.Context) error {
	d.out.line("\n" + d.out.paint(bold, "Before"))
	err := show(ctx, d.out, d.cluster)
	d.out.line("")
	return err
}

// promote hands the cluster over, under the eyes of probes.
func (d *demo) promote(ctx context.Context) error {
	probes, err := d.startProbes(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	err = d.out.step(fmt.Sprintf("node 1: api-cli run promote-node, node %d is to lead", candidate), func() error {
		return d.cluster.Promote(ctx, candidate)
	})
	if err != nil {
		return errors.Join(err, d.stopProbes(probes))
	}
	d.late = d.out.step("every node turns to the new leader", func() error {
		limited, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		return d.cluster.Settled(limited)
	})
	d.took = time.Since(began)
	awaitProbes(ctx, probes)
	return errors.Join(ctx.Err(), d.stopProbes(probes))
}

func (d *demo) after(ctx context.Context) error {
	d.out.line("\n" + d.out.paint(bold, "After"))
	err := show(ctx, d.out, d.cluster)
	d.out.line("")
	if d.late != nil {
		d.out.line(fmt.Sprintf("After %.0f s not every node had turned.", d.took.Seconds()))
		if err == nil { // it came right while we looked
			err = d.late
		}
		return err
	}
	d.out.line(fmt.Sprintf("The switch took %.2f s, from the command until every node had turned.", d.took.Seconds()))
	d.out.line(describe(d.silence))
	return err
}
