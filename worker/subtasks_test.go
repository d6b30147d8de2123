package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

// family is an action each run of which pushes tasks of an action, and waits for all of them.
func family(e **engine, name, child string, children int) worker.Action {
	return action(name, func(ctx context.Context, c *worker.Call) error {
		id := idOf(c)
		for n := range children {
			(*e).pushChild(fmt.Sprintf("%s.%d", id, n), child, id)
		}
		for n := range children {
			for !(*e).Finished(fmt.Sprintf("%s.%d", id, n)) {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
}

func idOf(c *worker.Call) string {
	task, _ := c.Task()
	return task.ID
}

func (e *engine) pushChild(id, action, parent string) {
	e.Push(e.t, fmt.Sprintf(`{"id":%q,"action":%q,"parent":%q}`, id, action, parent))
}

// TestSubtasks: tasks that wait for others in the same queue get on, however many there are. Those
// run over the limit, one of each task, and the others wait for their turn.
func TestSubtasks(t *testing.T) {
	t.Parallel()
	for name, generations := range map[string][]string{
		"children":      {"parent", "child"},
		"grandchildren": {"grandparent", "parent", "child"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const limit = 3
				var e *engine
				now, child := counter{}, len(generations)-1
				actions := make([]worker.Action, len(generations))
				actions[child] = action(generations[child], func(context.Context, *worker.Call) error {
					now.add(1)
					time.Sleep(time.Second)
					now.add(-1)
					return nil
				})
				for n, parent := range generations[:child] {
					actions[n] = family(&e, parent, generations[n+1], 4)
				}
				e = start(t, actions, func(c *worker.Config) { c.MaxConcurrency = limit })
				for n := range 2 * limit {
					e.push(strconv.Itoa(n), generations[0])
				}
				e.push("other", "child")
				for n := range 2 * limit {
					if got := e.Result(t, strconv.Itoa(n)); got.ExitCode != 0 {
						t.Errorf("task %d came to %+v", n, got)
					}
				}
				if got := e.Result(t, "other"); got.ExitCode != 0 {
					t.Errorf("the other one came to %+v", got)
				}
				if now.most > limit {
					t.Errorf("%d children ran at once", now.most)
				}
			})
		})
	}
}

type counter struct {
	mu      sync.Mutex
	n, most int
}

func (c *counter) add(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
	c.most = max(c.most, c.n)
	return c.n
}

// TestOthersWait: what no running task has pushed does not run over the limit, nor do more subtasks of one task than one.
func TestOthersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", hold)}, func(c *worker.Config) { c.MaxConcurrency = 1 })
		e.push("parent", "x")
		e.push("other", "x")
		e.pushChild("stranger", "x", "elsewhere")
		e.pushChild("first", "x", "parent")
		e.pushChild("second", "x", "parent")
		time.Sleep(time.Minute)
		wantRunning := func(ids ...string) {
			t.Helper()
			synctest.Wait()
			var running []string
			for _, id := range []string{"parent", "other", "stranger", "first", "second"} {
				if slices.Contains(e.Told(id), workertest.Told{Progress: worker.Progress{Status: worker.Running}}) && !e.Finished(id) {
					running = append(running, id)
				}
			}
			if !slices.Equal(running, ids) {
				t.Errorf("running are %v, want %v", running, ids)
			}
		}
		wantRunning("parent", "first")
		e.pushData("cancel", "cancel-task", `{"task":"first"}`)
		e.Result(t, "first")
		time.Sleep(time.Second)
		wantRunning("parent", "second")
	})
}

// TestCallsItself: an action that runs itself as a subtask comes to an end of its descent, and the log says so once.
func TestCallsItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, descents = 4, 8
		var e *engine
		runs := counter{}
		e = start(t, []worker.Action{action("x", func(ctx context.Context, c *worker.Call) error {
			e.pushChild(strconv.Itoa(runs.add(1)), "x", idOf(c))
			return hold(ctx, c)
		})}, func(c *worker.Config) { c.MaxConcurrency = limit })
		e.push("0", "x")
		time.Sleep(time.Minute)
		if got := runs.add(0); got != limit+descents {
			t.Errorf("%d ran, want %d", got, limit+descents)
		}
		said := slices.DeleteFunc(e.lines(), func(line string) bool {
			return !strings.Contains(line, "runs over the limit as the 8th subtask in a row")
		})
		if len(said) != 1 {
			t.Errorf("the log says %q", said)
		}
	})
}

// hesitant is a queue that does not give what is withdrawn the first time, as if it could not tell yet whether it was
// given before, and that takes its time. What it has shown once it does not show again.
type hesitant struct {
	worker.Queue

	asked bool
	shown []string
}

func (q *hesitant) Ahead(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	return q.Queue.Ahead(ctx, func(task worker.Task) bool {
		again := slices.Contains(q.shown, task.ID)
		q.shown = append(q.shown, task.ID)
		return !again && wanted(task)
	})
}

func (q *hesitant) Withdraw(ctx context.Context, wanted func(worker.Task) bool) (worker.Task, bool, error) {
	if !q.asked {
		return q.Queue.Withdraw(ctx, func(task worker.Task) bool {
			q.asked = q.asked || wanted(task)
			return false
		})
	}
	task, found, err := q.Queue.Withdraw(ctx, wanted)
	time.Sleep(time.Second)
	return task, found, err
}

// TestSubtaskIsAskedForAgain: whatever keeps the queue from giving it.
func TestSubtaskIsAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *engine
		e = start(t, []worker.Action{family(&e, "parent", "child", 1), action("child", fine)}, func(c *worker.Config) {
			c.MaxConcurrency, c.Queue = 1, &hesitant{Queue: c.Queue}
		})
		e.push("1", "parent")
		if got := e.Result(t, "1"); got.ExitCode != 0 {
			t.Errorf("came to %+v", got)
		}
	})
}

// TestDrainBesideSubtask: a subtask that is on its way when its parent ends may have some of its own.
func TestDrainBesideSubtask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *engine
		parent := action("parent", func(_ context.Context, c *worker.Call) error {
			e.pushChild("child", "child", idOf(c))
			time.Sleep(200 * time.Millisecond)
			return nil
		})
		e = start(t, []worker.Action{parent, family(&e, "child", "grandchild", 1), action("grandchild", fine)}, func(c *worker.Config) {
			c.MaxConcurrency, c.Queue = 1, &hesitant{Queue: c.Queue, asked: true}
		})
		e.push("1", "parent")
		synctest.Wait()
		e.worker.Drain()
		time.Sleep(time.Minute)
		if e.running() || !e.Finished("child") {
			t.Errorf("it goes on: %v, the child has ended: %v", e.running(), e.Finished("child"))
		}
	})
}

// stuck is a queue of a Redis that is away: what is to be withdrawn is asked for until ctx ends.
type stuck struct{ worker.Queue }

func (q *stuck) Withdraw(ctx context.Context, _ func(worker.Task) bool) (worker.Task, bool, error) {
	<-ctx.Done()
	return worker.Task{}, false, ctx.Err()
}

// TestDrainBesideStuckLook: nobody waits for a subtask any more when nothing runs.
func TestDrainBesideStuckLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *engine
		parent := action("parent", func(_ context.Context, c *worker.Call) error {
			e.pushChild("child", "child", idOf(c))
			time.Sleep(time.Minute)
			return nil
		})
		e = start(t, []worker.Action{parent, action("child", fine)}, func(c *worker.Config) {
			c.MaxConcurrency, c.Queue = 1, &stuck{c.Queue}
		})
		e.push("1", "parent")
		time.Sleep(30 * time.Second)
		e.worker.Drain()
		e.Result(t, "1")
		time.Sleep(time.Second)
		if e.running() {
			t.Error("it goes on")
		}
	})
}

// TestDescendsAgain: how far down a task ran once does not count when its id is used again.
func TestDescendsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *engine
		deeper := action("x", func(ctx context.Context, c *worker.Call) error {
			id, err := strconv.Atoi(idOf(c))
			e.pushChild(strconv.Itoa(id+1), "x", idOf(c))
			return errors.Join(err, hold(ctx, c))
		})
		e = start(t, []worker.Action{deeper, family(&e, "parent", "child", 1), action("child", fine)}, func(c *worker.Config) { c.MaxConcurrency = 1 })
		e.push("0", "x")
		time.Sleep(time.Minute)
		for id := 9; id >= 0; id-- { // the 9th waits
			e.pushData("cancel", "cancel-task", fmt.Sprintf(`{"task":"%d"}`, id))
			e.Result(t, strconv.Itoa(id))
		}
		e.push("8", "parent")
		time.Sleep(time.Minute)
		if got := e.Result(t, "8"); got.ExitCode != 0 {
			t.Errorf("came to %+v", got)
		}
	})
}

// TestSubtasksAreRejected: who wants tasks over the limit rejected gets that for all.
func TestSubtasksAreRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", hold)}, func(c *worker.Config) { c.MaxConcurrency, c.RejectWhenBusy = 1, true })
		e.push("parent", "x")
		synctest.Wait()
		for n := range 3 {
			e.pushChild(strconv.Itoa(n), "x", "parent")
		}
		for n := range 3 {
			if got := e.Result(t, strconv.Itoa(n)); got.ExitCode != worker.ExitBusy {
				t.Errorf("came to %+v", got)
			}
		}
	})
}
