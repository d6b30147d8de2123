package standby

import (
	"context"
	"time"

	"cluster-agent/worker"
)

// readyPercent is the progress that tells the leader that the others may try.
const readyPercent = 50

// standBy knows all nodes until it is told to end, which is no failure.
func (s steps) standBy(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(in.Seconds)*time.Second)
	defer cancel()
	return s.machine.StandBy(ctx, func() error { return c.Progress(readyPercent) })
}
