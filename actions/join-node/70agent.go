package joinnode

import (
	"context"

	"cluster-agent/worker"
)

// agent starts the node agent anew, under its new name.
func (s steps) agent(ctx context.Context, _ *worker.Call) error {
	return s.machine.RestartNodeAgent(ctx)
}
