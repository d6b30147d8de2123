package promotenode

import (
	"context"
	"fmt"
	"time"

	"cluster-agent/internal/node"
)

// aliveTime is how long the agent may take to show itself: one that has just been
// started needs a moment.
const aliveTime = 3 * time.Second

// agent wants the node agent of the candidate connected: it makes the node the hub.
func (s steps) agent(ctx context.Context, in input) (finding, error) {
	found := finding{detail: fmt.Sprintf("the agent of node %d is connected and waits for tasks", in.NodeID)}
	err := s.machine.Delegate(func(d *node.Delegate) error {
		waiting, cancel := context.WithTimeout(ctx, aliveTime)
		defer cancel()
		alive, err := d.Alive(waiting, in.NodeID)
		if err == nil && !alive {
			err = in.refuse(exitNoAgent, "node_agent_not_alive",
				fmt.Errorf("the agent of node %d is not connected to this node's Redis: see there that the service agent@node runs, and its log", in.NodeID))
		}
		return err
	})
	return found, err
}
