package lab

import (
	"context"
	"errors"
)

// Up makes a lab and a cluster of all its nodes, node 1 leading, settled.
func Up(ctx context.Context, cfg Config) (*Cluster, error) {
	l, err := New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c := NewCluster(l)
	if err := c.Up(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return c, nil
}

// Up sets all nodes of the lab up and makes them a cluster.
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.Lab.Setup(ctx); err != nil {
		return err
	}
	if err := c.Create(ctx); err != nil {
		return err
	}
	workers := make([]int, 0, len(c.Lab.Nodes))
	for _, n := range c.Lab.Nodes[1:] {
		workers = append(workers, n.ID)
	}
	if err := c.Join(ctx, workers...); err != nil {
		return err
	}
	return c.Settled(ctx)
}
