package redisq_test

import (
	"strings"
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

// TestCameBackLate: a task that ran over an outage waits again in a Redis that has
// lost its last writes, and got the result before the agent saw that.
func TestCameBackLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, payload)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	tasks.Accept(t.Context(), task)
	must(t, tasks.Finish(t.Context(), worker.Task{ID: "other", Payload: []byte("{}"), Key: "k"}, finished())) // writes have a connection
	server.Stop(t)
	server.Restart(t) // empty
	must(t, tasks.Finish(t.Context(), task, finished()))
	remote{server}.Push(t, payload, `{"id":"next","action":"a"}`)
	if next, err := tasks.Next(t.Context(), 1); err != nil || next.ID != "next" {
		t.Fatalf("got %+v, %v", next, err)
	}
	if left := (remote{server}).Lists(t); len(left.InProgress) != 1 || len(left.Waiting) != 0 {
		t.Fatalf("lists are %+v", left)
	}
}

// TestNotWithdrawn: a task that has run and waits again is not taken out of the
// queue by one who looks for it there, but has its result restored.
func TestNotWithdrawn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, payload)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	must(t, tasks.Finish(t.Context(), task, finished()))
	server.Stop(t)
	server.Restart(t) // empty
	remote{server}.Push(t, payload)
	if _, found, err := tasks.Withdraw(t.Context(), hasID(task.ID)); found || err != nil {
		t.Fatalf("withdrawn: %v, %v", found, err)
	}
	if _, found, err := tasks.Ahead(t.Context(), func(worker.Task) bool { return true }); found || err != nil {
		t.Fatalf("taken ahead: %v, %v", found, err)
	}
	remote{server}.Push(t, `{"id":"next","action":"a"}`)
	if next, err := tasks.Next(t.Context(), 1); err != nil || next.ID != "next" {
		t.Fatalf("got %+v, %v", next, err)
	}
	if got := (remote{server}).Record(t, "t"); got["exit_code"] != "3" {
		t.Fatalf("the record is %v", got)
	}
}

// TestResultAndTaskComeBack: a Redis that had a task in its queue together with its
// result comes back once more with both.
func TestResultAndTaskComeBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, payload)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	must(t, tasks.Finish(t.Context(), worker.Task{ID: "other", Payload: []byte("{}"), Key: "k"}, finished())) // writes have a connection
	server.Stop(t)
	server.Restart(t) // empty
	must(t, tasks.Finish(t.Context(), task, finished()))
	for _, id := range []string{"next", "last"} {
		remote{server}.Push(t, payload, `{"id":"`+id+`","action":"a"}`)
		if next, err := tasks.Next(t.Context(), 1); err != nil || next.ID != id {
			t.Fatalf("got %+v, %v", next, err)
		}
		tasks.Reconnect()
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
// a second time, and stands in progress once, so that Redis, should it lose the
// result, has the task still.
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
	if left := (remote{server}).Lists(t); len(left.InProgress) != 2 || len(left.Waiting) != 0 {
		t.Fatalf("while both run, lists are %+v", left)
	}
	must(t, tasks.Finish(t.Context(), task, finished()))
	if left := (remote{server}).Lists(t); len(left.InProgress) != 1 {
		t.Fatalf("lists are %+v", left)
	}
}

// TestEndedIsBounded: what is remembered is little, and not old; that a task has
// run is remembered for longer than what it printed.
func TestEndedIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tasks  int
		output int
		every  time.Duration
		known  int
		full   int
	}{
		"many":   {2 * redisq.EndedTasks, 1, 0, redisq.EndedTasks, redisq.EndedTasks},
		"silent": {2 * redisq.EndedTasks, 0, 0, redisq.EndedTasks, 0},
		"large":  {100, redisq.EndedBytes / 8, 0, 100, 8},
		"huge":   {100, redisq.EndedBytes/4 + 1, 0, 100, 0},
		"old":    {100, 1, 160 * time.Minute, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if known, full := redisq.Remembered(c.tasks, c.output, c.every); known != c.known || full != c.full {
				t.Fatalf("%d are known, %d of them full; want %d and %d", known, full, c.known, c.full)
			}
		})
	}
}

// TestLargeResultIsLost: a task whose output is too large to be remembered is not
// run again, either; its result says what is missing.
func TestLargeResultIsLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, payload)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	result := finished()
	result.Output = make([]byte, redisq.EndedBytes)
	must(t, tasks.Finish(t.Context(), task, result))
	for _, id := range []string{"next", "last"} { // it is lost twice
		server.Stop(t)
		server.Restart(t) // empty
		remote{server}.Push(t, payload, `{"id":"`+id+`","action":"a"}`)
		if next, err := tasks.Next(t.Context(), 1); err != nil || next.ID != id {
			t.Fatalf("got %+v, %v", next, err)
		}
		got := (remote{server}).Record(t, "t")
		if got["output"] != "" || got["exit_code"] != "3" || !strings.Contains(got["error"], "lost by Redis") {
			t.Fatalf("the record is %v", got)
		}
	}
}
