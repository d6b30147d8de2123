package leaderchanged

import (
	"context"
	"time"

	"cluster-agent/worker"
)

// arriveTime is how long the other nodes may take before they are named: longer than
// they wait for each other.
const arriveTime = switchTime + 5*time.Second

// verify looks on the new leader whether all nodes have come, and names in the log what
// lags. promote-node cannot: its Redis takes no result any more by then.
func (s steps) verify(ctx context.Context, c *worker.Call) error {
	return s.machine.WatchArrivals(ctx, arriveTime, c.Log())
}
