package joinnode

import (
	"context"

	"cluster-agent/worker"
)

// routes brings the VPN to what the cluster's data, which are here now, say.
func (s steps) routes(ctx context.Context, c *worker.Call) error {
	report, err := s.machine.ApplyRoutes(ctx)
	for _, warning := range report.Warnings {
		c.Log().Warn(warning.String())
	}
	return err
}
