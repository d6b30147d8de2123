package script

import (
	"context"

	"cluster-agent/worker"
)

// WithoutPidfd makes r do as on a kernel that has no pidfds.
func (r *Runner) WithoutPidfd() { r.withoutPidfd = true }

// Run runs the file at path as a step.
func (r *Runner) Run(ctx context.Context, path string, call *worker.Call) error {
	return r.step(path)(ctx, call)
}
