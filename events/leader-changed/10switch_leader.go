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
		Epoch    int64  `json:"epoch"`
	}
	if err := c.Decode(&payload); err != nil {
		return worker.Exit(exitRefused, err)
	}
	if payload.NodeID < 1 || payload.Epoch < 0 {
		return worker.Exit(exitRefused, errors.New("the event names no node, or no epoch that there can be"))
	}
	err := s.machine.SwitchLeader(ctx, node.Switch{
		Leader: payload.NodeID, Endpoint: payload.Endpoint, Epoch: payload.Epoch,
		Planned: true, Wait: switchTime, Say: c.Log().Infof,
	})
	if errors.Is(err, node.ErrOldOrder) {
		return worker.Exit(exitRefused, err)
	}
	return err
}
