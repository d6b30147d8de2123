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
)

// crowd is a step that notes who came in, and how many were in at once.
type crowd struct {
	mu     sync.Mutex
	inside int
	most   int
	order  []string
}

func (w *crowd) visit(_ context.Context, c *worker.Call) error {
	task, _ := c.Task()
	w.mu.Lock()
	w.inside++
	w.most = max(w.most, w.inside)
	w.order = append(w.order, task.ID)
	w.mu.Unlock()
	time.Sleep(time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inside--
	return nil
}

// now tells how many are in.
func (w *crowd) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inside
}

// TestLimit: never more than MaxConcurrency run at once; the others wait in the
// queue, in order, and all are run.
func TestLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 32} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w crowd
				e := prepare(t, []worker.Action{action("x", w.visit)}, func(c *worker.Config) { c.MaxConcurrency = limit })
				const tasks = 100
				ids := make([]string, 0, tasks)
				for n := range tasks {
					ids = append(ids, fmt.Sprintf("%03d", n))
					e.push(ids[n], "x")
				}
				e.run()
				synctest.Wait()
				if lists := e.Lists(t); len(lists.InProgress) != limit || len(lists.Waiting) != tasks-limit {
					t.Errorf("%d in progress, %d waiting", len(lists.InProgress), len(lists.Waiting))
				}
				began := time.Now()
				for _, id := range ids {
					e.Result(t, id)
				}
				if rounds := int(time.Since(began).Seconds()); rounds != (tasks+limit-1)/limit || w.most != limit {
					t.Errorf("%d at once in %d rounds", w.most, rounds)
				}
				wantInOrder(t, w.order, limit)
			})
		})
	}
}

// wantInOrder wants tasks to have begun in order, round by round: those of one
// round begin at the same time.
func wantInOrder(t *testing.T, order []string, round int) {
	t.Helper()
	for part := range slices.Chunk(order, round) {
		slices.Sort(part)
	}
	if !slices.IsSorted(order) {
		t.Errorf("began in the order %v", order)
	}
}

// TestDefaultLimit: 32 tasks at once.
func TestDefaultLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w crowd
		e := start(t, []worker.Action{action("x", w.visit)})
		for n := range 40 {
			e.push(strconv.Itoa(n), "x")
		}
		synctest.Wait()
		if at := w.now(); at != 32 {
			t.Fatalf("%d at once", at)
		}
	})
}

// TestUndecodable: what is no task is told in the log, with the reason, and the
// next task runs.
func TestUndecodable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []worker.Action{action("x", fine)}, func(c *worker.Config) { c.MaxConcurrency = 1 })
		for range 3 {
			e.Push(t, "Il n'y a rien")
		}
		if got := e.do("x"); got.ExitCode != 0 {
			t.Fatalf("got %+v", got)
		}
		e.wantLine("Task ignored for decoding error: invalid character 'I' looking for")
	})
}

// TestBadConfig: what is missing or makes no sense is an error at the start.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*worker.Config){
		"no agent":       func(c *worker.Config) { c.AgentID = "" },
		"no actions":     func(c *worker.Config) { c.Actions = nil },
		"no queue":       func(c *worker.Config) { c.Queue = nil },
		"no board":       func(c *worker.Config) { c.Board = nil },
		"no log":         func(c *worker.Config) { c.Log = nil },
		"negative limit": func(c *worker.Config) { c.MaxConcurrency = -1 },
		"negative time":  func(c *worker.Config) { c.PollingInterval = -time.Second },
		"negative bytes": func(c *worker.Config) { c.OutputLimit = -1 },
		"negative grace": func(c *worker.Config) { c.StopGrace = -1 },
		"no patience":    func(c *worker.Config) { c.StepGrace = -1 },
		"negative wait":  func(c *worker.Config) { c.OverloadWait = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, nil)
			cfg := e.cfg
			spoil(&cfg)
			if _, err := worker.New(cfg); err == nil {
				t.Fatal("no error")
			}
		})
	}
}
