package createcluster

import (
	"context"

	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// endpoint refuses what can be no endpoint. Whether a name resolves is not
// asked: it need not, for the node itself.
func (s steps) endpoint(_ context.Context, c *worker.Call) error {
	text := c.Get("endpoint").String()
	if _, err := vpn.ParseEndpoint(text); err != nil {
		return c.Invalid(worker.ExitInvalid, "endpoint", text, "endpoint_format", err)
	}
	return nil
}
