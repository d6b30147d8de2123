package addnode

import (
	"context"
	"errors"

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// exitOvertaken is that of a leader of old, see the package comment.
const exitOvertaken = 33

// leads refuses to hand out node ids on a leader of old that has come back: the leader of
// now hands out the same.
func (s steps) leads(ctx context.Context) error {
	err := s.machine.Overtaken(ctx)
	if errors.Is(err, node.ErrOvertaken) {
		return worker.Exit(exitOvertaken, err)
	}
	return err
}
