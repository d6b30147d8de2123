package promotenode

import (
	"context"

	"cluster-agent/worker"
)

// input wants the endpoint named, unless this is a dry run: nobody is to be surprised
// by the one that a record holds.
func (s steps) input(_ context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil || in.DryRun {
		return err
	}
	switch {
	case in.Address == "":
		return missingInput(c, "endpoint_address")
	case in.Port == 0:
		return missingInput(c, "endpoint_port")
	}
	return nil
}
