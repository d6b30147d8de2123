package vpnchanged

import (
	"context"
	"fmt"

	"cluster-agent/worker"
)

const exitRefused = 2

// applyRoutes brings wg0 to what Redis says.
func (s steps) applyRoutes(ctx context.Context, c *worker.Call) error {
	event, ok := c.Event()
	if !ok {
		return s.apply.Do(ctx)
	}
	if event.Source != "cluster" {
		return worker.Exit(exitRefused, fmt.Errorf("%s may not change the VPN", event.Source))
	}
	return s.apply.DoSince(ctx, event.Received)
}
