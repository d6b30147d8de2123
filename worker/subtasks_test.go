package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
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
		e.wantLine("subtasks run over the limit, each one that of the last, down to the 8th")
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
