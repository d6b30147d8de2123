package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

// The states of a task, and who moves it from one to the next, are drawn in
// ARCHITECTURE.md. TestCrashAnywhere has the engine itself walk through all of
// them: it dies before and after each thing that it does and that outlives it,
// by a kill or with the power, dies again in its second life, and the third
// finishes. What it is connected to, a queue, a board and a journal in memory,
// passes the same suites as Redis and the disk.

// fuse ends a life at a certain point. What the life does afterwards has no effect.
type fuse struct {
	mu    sync.Mutex
	left  int // points until it blows; negative: never
	dead  bool
	death context.CancelFunc
}

var errDead = errors.New("this life is over")

// point is a moment in which the life may end; false if it has.
func (f *fuse) point() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		f.dead = true
		f.death()
	}
	f.left--
	return !f.dead
}

// do does something that outlives the agent.
func (f *fuse) do(effect func() error) error {
	if !f.point() {
		return errDead
	}
	if err := effect(); err != nil {
		return err
	}
	if !f.point() {
		return errDead
	}
	return nil
}

// mortal is a queue, a board and a journal for one life.
type mortal struct {
	*fuse
	*workertest.MemoryInstance

	journal *workertest.Journal
}

func (m mortal) Next(ctx context.Context, room int) (task worker.Task, err error) {
	err = m.do(func() (err error) {
		task, err = m.MemoryInstance.Next(ctx, room)
		return err
	})
	if errors.Is(err, errDead) {
		<-ctx.Done()
		return worker.Task{}, ctx.Err()
	}
	return task, err
}

func (m mortal) Accept(ctx context.Context, task worker.Task) {
	if m.point() {
		m.MemoryInstance.Accept(ctx, task)
		m.point()
	}
}

func (m mortal) Finish(ctx context.Context, task worker.Task, result worker.Result) error {
	return m.do(func() error { return m.MemoryInstance.Finish(ctx, task, result) })
}

// notes is the journal's side of a mortal; some of its methods have the names of
// the queue's.
type notes struct {
	m mortal
	w *world
}

func (n notes) Past(task worker.Task) worker.Past { return n.m.journal.Past(task) }
func (n notes) Left() []worker.Task               { return n.m.journal.Left() }
func (n notes) Leave(task worker.Task)            { n.m.journal.Leave(task) }

func (n notes) Begin(task worker.Task, step string) func() error {
	var wait func() error
	err := n.m.do(func() error {
		wait = n.m.journal.Begin(task, step)
		return nil
	})
	return func() error {
		if err != nil {
			return err
		}
		return n.m.do(wait)
	}
}

func (n notes) Step(task worker.Task, step string) error {
	return n.m.do(func() error {
		n.w.noted++
		return n.m.journal.Step(task, step)
	})
}

func (n notes) Keep(task worker.Task, result worker.Result) error {
	return n.m.do(func() error {
		n.w.kept = true
		return n.m.journal.Keep(task, result)
	})
}

func (n notes) Result(task worker.Task) (worker.Result, error) { return n.m.journal.Result(task) }

func (n notes) Forget(task worker.Task, result *worker.Result) error {
	return n.m.do(func() error { return n.m.journal.Forget(task, result) })
}

// world is what outlives the lives of an agent.
type world struct {
	t       *testing.T
	memory  *workertest.Memory
	journal *workertest.Journal
	mu      sync.Mutex
	runs    map[string]int // of each step
	noted   int            // steps that the journal was told of
	kept    bool           // the journal has been given a result
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, memory: workertest.NewMemory("module/m1"), journal: workertest.NewJournal(), runs: map[string]int{}}
}

// ran notes that a step has run.
func (w *world) ran(step string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs[step]++
	return nil
}

// finals counts how often a task's end was told.
func (w *world) finals() int {
	w.t.Helper()
	finals := 0
	for _, told := range w.memory.Told("1") {
		if told.Status != worker.Pending && told.Status != worker.Running {
			finals++
		}
	}
	return finals
}

// death is how a life ends: at which point, and with the power or not. A
// negative point is none.
type death struct {
	point int
	power bool
}

// live begins a life and returns when it has died, or has nothing left to do;
// blown tells whether it died.
func (w *world) live(d death, repeatable bool) (blown bool) {
	w.t.Helper()
	return w.liveWith(d, func(f *fuse) worker.Action { return w.action(f, repeatable) })
}

func (w *world) liveWith(d death, action func(*fuse) worker.Action) (blown bool) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	f := &fuse{left: d.point, death: cancel}
	m := mortal{fuse: f, MemoryInstance: w.memory.Open(), journal: w.journal}
	registry, err := worker.NewRegistry([]worker.Action{action(f)})
	must(w.t, err)
	log, _ := test.NewNullLogger()
	agent, err := worker.New(worker.Config{
		AgentID: "module/m1", Actions: registry, Queue: m, Board: m, Journal: notes{m, w}, Log: logrus.NewEntry(log),
	})
	must(w.t, err)
	ended := make(chan struct{})
	go func() { agent.Run(ctx); close(ended) }()
	synctest.Wait()
	cancel()
	<-ended
	f.mu.Lock()
	blown = f.dead
	f.mu.Unlock()
	if blown {
		w.journal.Crash(d.power)
	}
	return blown
}

// action has two steps, whose work is seen by the world.
func (w *world) action(f *fuse, repeatable bool) worker.Action {
	step := func(name string) worker.Step {
		return worker.Step{Name: name, Run: func(context.Context, *worker.Call) error {
			return f.do(func() error { return w.ran(name) })
		}}
	}
	return worker.Action{Name: "x", Steps: []worker.Step{step("10first"), step("20second")}, Repeatable: repeatable}
}

// check wants one result, which is true, and nothing left.
func (w *world) check(repeatable bool, deaths []death) {
	w.t.Helper()
	result := w.memory.Result(w.t, "1")
	finals, most := w.finals(), 1
	if repeatable {
		most = len(deaths) + 1
	}
	wrong := ""
	switch lists := w.memory.Lists(w.t); {
	case finals != 1:
		wrong = fmt.Sprintf("%d final statuses", finals)
	case len(lists.Waiting)+len(lists.InProgress) != 0:
		wrong = fmt.Sprintf("the lists are %+v", lists)
	case len(w.journal.Left()) != 0:
		wrong = fmt.Sprintf("the journal has %+v", w.journal.Left())
	case w.runs["10first"] > most || w.runs["20second"] > w.runs["10first"]:
		wrong = "a step ran too often"
	case result.Final.Status == worker.Completed && w.runs["20second"] == 0:
		wrong = "completed without its steps"
	case repeatable && result.Final.Status != worker.Completed:
		wrong = "was not run again"
	case result.Final.Status == worker.Aborted && (result.ExitCode != worker.ExitInterrupted || w.noted == 0 && !power(deaths)):
		wrong = "was not interrupted"
	}
	if wrong != "" {
		w.t.Fatalf("%s; deaths %+v, runs %v, result %+v", wrong, deaths, w.runs, result)
	}
}

// power tells whether one of the deaths took the power with it: then a task that
// was begun counts as started.
func power(deaths []death) bool {
	for _, d := range deaths {
		if d.power {
			return true
		}
	}
	return false
}

func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	for name, repeatable := range map[string]bool{"once": false, "repeatable": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenarios := 0
			everyDeath(func(first death) (blown bool) {
				everyDeath(func(second death) bool {
					scenarios++
					var again bool
					blown, again = tryDeaths(t, repeatable, first, second)
					return again
				})
				return blown
			})
			if t.Logf("%d scenarios", scenarios); scenarios < 500 {
				t.Fatal("hardly anything was tried")
			}
		})
	}
}

// everyDeath tries one point after the other until the life survives.
func everyDeath(try func(death) (blown bool)) {
	for blown, point := true, 0; blown; point++ {
		blown = try(death{point: point})
		try(death{point: point, power: true})
	}
}

// tryDeaths has a task's agent die twice; it tells whether its lives got that far.
func tryDeaths(t *testing.T, repeatable bool, first, second death) (blown, again bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.memory.Push(t, `{"id":"1","action":"x"}`)
		blown = w.live(first, repeatable)
		again = w.live(second, repeatable)
		w.live(death{point: -1}, repeatable)
		time.Sleep(time.Second) // nothing comes later
		w.check(repeatable, []death{first, second})
	})
	return blown, again
}

// TestMostRuns: what kills the agent each time is run three times, at most.
func TestMostRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.memory.Push(t, `{"id":"1","action":"x"}`)
		poison := func(f *fuse) worker.Action {
			return worker.Action{Name: "x", Repeatable: true, Steps: []worker.Step{{
				Name: "10kills", Run: func(context.Context, *worker.Call) error {
					w.runs["10kills"]++
					f.mu.Lock()
					f.left = 0
					f.mu.Unlock()
					f.point()
					return errDead
				},
			}}}
		}
		for w.liveWith(death{point: -1}, poison) {
			if w.runs["10kills"] > 3 {
				t.Fatal("was run four times")
			}
		}
		if got := w.memory.Result(t, "1"); got.ExitCode != worker.ExitInterrupted || w.runs["10kills"] != 3 {
			t.Fatalf("ran %v, came to %+v", w.runs, got)
		}
	})
}
