package redisq_test

import (
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// TestResultIsLost: a leader that died took the end of a task with it, and the
// next one has it in its lists still. It is not run again; its result is stored again.
func TestResultIsLost(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{"in progress": inProgress, "in the queue": agent + "/tasks"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			tasks := open(t, options(server.Address))
			remote{server}.Push(t, payload)
			task, err := tasks.Next(t.Context(), 1)
			must(t, err)
			must(t, tasks.Finish(t.Context(), task, finished()))
			server.Stop(t)
			server.Restart(t) // empty
			server.Do(t, "lpush", list, payload)
			remote{server}.Push(t, `{"id":"next","action":"a"}`)
			if next, err := tasks.Next(t.Context(), 1); err != nil || next.ID != "next" {
				t.Fatalf("got %+v, %v", next, err)
			}
			if got := (remote{server}).Record(t, "t"); got["output"] != "out" || got["exit_code"] != "3" {
				t.Fatalf("the record is %v", got)
			}
			if left := (remote{server}).Lists(t); len(left.InProgress) != 1 || len(left.Waiting) != 0 {
				t.Fatalf("lists are %+v", left)
			}
		})
	}
}

// TestPushedAgain: a task that is pushed once more is run once more, also after
// an outage that lost nothing.
func TestPushedAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	for range 2 {
		remote{server}.Push(t, payload)
		task, err := tasks.Next(t.Context(), 1)
		must(t, err)
		must(t, tasks.Finish(t.Context(), task, worker.Result{Final: worker.Progress{Status: worker.Completed}}))
		tasks.Reconnect()
	}
}

// TestCameBack: what is running and comes back with the queue is not handed out
// a second time.
func TestCameBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, payload)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	server.Stop(t)
	server.Restart(t) // empty
	remote{server}.Push(t, payload, `{"id":"next","action":"a"}`)
	if next, err := tasks.Next(t.Context(), 1); err != nil || next.ID != "next" {
		t.Fatalf("got %+v, %v", next, err)
	}
	must(t, tasks.Finish(t.Context(), task, finished()))
	if left := (remote{server}).Lists(t); len(left.InProgress) != 1 {
		t.Fatalf("lists are %+v", left)
	}
}

// TestEndedIsBounded: what is remembered is little, and not old.
func TestEndedIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		output int
		every  time.Duration
		want   int
	}{
		"many":  {0, 0, redisq.EndedTasks},
		"large": {200 << 10, 0, 5},
		"huge":  {300 << 10, 0, 0},
		"old":   {0, 20 * time.Second, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := redisq.Remembered(2*redisq.EndedTasks, c.output, c.every); got != c.want {
				t.Fatalf("%d are remembered, want %d", got, c.want)
			}
		})
	}
}
