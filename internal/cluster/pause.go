package cluster

import (
	"context"
	"fmt"
	"time"
)

// PauseWrites makes all that would write to this Redis wait, at most for the time given
// (CLIENT PAUSE). What has been acknowledged before can then be looked at, and nothing is
// acknowledged after that. The role may be changed meanwhile.
func (s *Store) PauseWrites(ctx context.Context, most time.Duration) error {
	if err := s.do(ctx, "CLIENT", "PAUSE", most.Milliseconds(), "WRITE"); err != nil {
		return fmt.Errorf("pause the writes to Redis: %w", err)
	}
	return nil
}

// ResumeWrites ends a pause, if there is one.
func (s *Store) ResumeWrites(ctx context.Context) error {
	if err := s.do(ctx, "CLIENT", "UNPAUSE"); err != nil {
		return fmt.Errorf("resume the writes to Redis: %w", err)
	}
	return nil
}
