package aclchanged

import (
	"context"
	"fmt"

	"cluster-agent/worker"
)

const exitRefused = 2

// adoptUsers gives a replica the users in the cluster's records.
func (s steps) adoptUsers(ctx context.Context, c *worker.Call) error {
	if event, ok := c.Event(); ok && event.Source != "cluster" {
		return worker.Exit(exitRefused, fmt.Errorf("%s may not change the users", event.Source))
	}
	return s.machine.AdoptACLs(ctx)
}
