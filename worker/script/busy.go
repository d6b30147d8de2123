package script

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"cluster-agent/internal/wait"
	"cluster-agent/worker"
)

// A file that is open for writing cannot be executed (ETXTBSY): a package
// manager may be at it, or a process that was started while the agent wrote it
// has not got to its own exec yet. Both are over soon, so there are 7 more
// tries, after 127 ms in all.
const (
	firstPause = time.Millisecond
	lastPause  = 64 * time.Millisecond
)

// run runs the executable, and tries it again while it is open for writing.
func (r *Runner) run(ctx context.Context, path string, environ []string, call *worker.Call) error {
	for pause := firstPause; ; pause *= 2 {
		err := r.runOnce(ctx, path, environ, call)
		if !errors.Is(err, syscall.ETXTBSY) || pause > lastPause {
			return err
		}
		if !wait.For(ctx, pause) {
			return fmt.Errorf("start step: %w", ctx.Err())
		}
	}
}
