package redisq_test

import (
	"testing"
	"time"

	"cluster-agent/worker/redisq/redistest"
)

// TestInherit: what another instance has left is handed out as foreign, and its
// result takes it out of that instance's list. An equal task that comes later is
// one of this instance.
func TestInherit(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	opt.PollingInterval = 50 * time.Millisecond
	tasks := open(t, opt)
	run(t, tasks.Inherit)
	const other = agent + "/tasks/in-progress/two"
	for _, list := range []string{other, agent + "/tasks"} {
		server.Do(t, "lpush", list, payload)
		task, err := tasks.Next(t.Context(), 1)
		must(t, err)
		if task.Foreign != (list == other) {
			t.Fatalf("%s: foreign: %v", list, task.Foreign)
		}
		must(t, tasks.Finish(t.Context(), task, finished()))
		for _, key := range []string{other, inProgress, agent + "/tasks"} {
			if left := server.Admin().LLen(t.Context(), key).Val(); left != 0 {
				t.Fatalf("%s: %d tasks are left in %s", list, left, key)
			}
		}
	}
}
