package vpnchanged

import (
	"context"
	"fmt"

	"cluster-agent/worker"
)

const exitRefused = 2

// applyRoutes brings wg0 to what Redis says.
func (s steps) applyRoutes(ctx context.Context, c *worker.Call) error {
	if event, ok := c.Event(); ok && event.Source != "cluster" {
		return worker.Exit(exitRefused, fmt.Errorf("%s may not change the VPN", event.Source))
	}
	return s.apply.Do(ctx)
}
