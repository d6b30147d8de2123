package script

import (
	"context"

	"cluster-agent/worker"
)

// WithoutPidfd makes r do as on a kernel that has no pidfds.
func (r *Runner) WithoutPidfd() { r.withoutPidfd = true }

// LeftBehind is how many streams are read on for background processes.
func (r *Runner) LeftBehind() int {
	r.left.mu.Lock()
	defer r.left.mu.Unlock()
	return len(r.left.files)
}

// Run runs the file at path as a step.
func (r *Runner) Run(ctx context.Context, path string, call *worker.Call) error {
	return r.step(path)(ctx, call)
}
