package leaderchanged

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

const exitRefused = 2

// switchTime is how long a node waits for the others in a planned switch.
// Redis hands over in less than a second, or not at all.
const switchTime = 15 * time.Second

// switchLeader takes part in the switch.
func (s steps) switchLeader(ctx context.Context, c *worker.Call) error {
	if event, ok := c.Event(); ok && event.Source != "cluster" {
		return worker.Exit(exitRefused, fmt.Errorf("%s may not change the leader", event.Source))
	}
	var payload struct {
		NodeID   int    `json:"node_id"`
		Endpoint string `json:"endpoint"`
	}
	if err := c.Decode(&payload); err != nil {
		return worker.Exit(exitRefused, err)
	}
	if payload.NodeID < 1 {
		return worker.Exit(exitRefused, errors.New("the event names no node"))
	}
	return s.machine.SwitchLeader(ctx, node.Switch{
		Leader: payload.NodeID, Endpoint: payload.Endpoint,
		Planned: true, Wait: switchTime, Say: c.Log().Infof,
	})
}
