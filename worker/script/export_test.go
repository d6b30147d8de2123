package script

import (
	"context"
	"os"
	"syscall"

	"cluster-agent/worker"
)

// Kernels are the ways in which a step can be started and waited for.
func Kernels() map[string]func(*Runner) {
	return map[string]func(*Runner){
		"as it comes": func(*Runner) {},
		"plain start": func(r *Runner) { r.starter.Plain = true },
		"pidfd":       func(r *Runner) { r.moment = 1 },
		"no pidfd": func(r *Runner) {
			r.moment, r.openPidfd = 1, func(int) (int, error) { return 0, syscall.ENOSYS }
		},
		// What epoll refuses in the same way stands in for it.
		"pidfd that cannot be polled": func(r *Runner) {
			r.moment, r.openPidfd = 1, func(int) (int, error) { return syscall.Open(os.DevNull, syscall.O_CLOEXEC, 0) }
		},
	}
}

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
