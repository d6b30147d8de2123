package addnode

import (
	"context"

	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// endpoint refuses what can be no endpoint; a node need not have one.
func (s steps) endpoint(_ context.Context, c *worker.Call) error {
	text := c.Get("endpoint").String()
	if text == "" {
		return nil
	}
	if _, err := vpn.ParseEndpoint(text); err != nil {
		return c.Invalid(worker.ExitInvalid, "endpoint", text, "endpoint_format", err)
	}
	return nil
}
