package meetnode

import (
	"context"
	"time"

	"cluster-agent/worker"
)

// exitNotMet says that there was no handshake.
const exitNotMet = 4

// meet has a handshake with the node, and says where and how soon.
func (s steps) meet(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, time.Duration(in.Seconds)*time.Second)
	defer cancel()
	meeting, err := s.machine.Meet(limited, in.NodeID, in.Endpoint)
	if ctx.Err() != nil {
		return err // cancelled: nobody knows
	}
	if err != nil {
		return c.Invalid(exitNotMet, "node_id", in.NodeID, "node_not_met", err)
	}
	return c.Reply(output{Endpoint: meeting.Endpoint.String(), Milliseconds: meeting.Took.Milliseconds()})
}
