package adoptusers

import (
	"context"

	"cluster-agent/internal/cluster"
	"cluster-agent/worker"
)

// adopt takes the cluster's users over, and says which are missing all the same.
func (s steps) adopt(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	if !in.DryRun {
		if err := s.machine.AdoptACLs(ctx); err != nil {
			c.Log().Warnf("adopt the cluster's users: %v", err) // who is missing is told below
		}
	}
	return s.machine.Redis(func(store *cluster.Store) error {
		missing, err := store.MissingUsers(ctx)
		if err != nil {
			return err
		}
		return c.Reply(output{Missing: missing})
	})
}
