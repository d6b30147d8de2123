package leaderchanged

import (
	"context"

	"cluster-agent/worker"
)

// applyRoutes brings wg0 to what Redis says now.
func (s steps) applyRoutes(ctx context.Context, _ *worker.Call) error {
	return s.apply.Do(ctx)
}
