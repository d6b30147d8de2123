package worker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/worker"
)

// TestCrashWhileStopped has an agent be stopped while a step of a task does not heed that, and die
// at each point before, meanwhile and afterwards; the second life as well. There is one result: the
// agent was stopped, or, if it died before that was settled, interrupted. The step runs
// once, and nothing comes of its end.
func TestCrashWhileStopped(t *testing.T) {
	t.Parallel()
	scenarios := 0
	everyDeath(func(first death) (blown bool) {
		everyDeath(func(second death) bool {
			scenarios++
			var again bool
			blown, again = tryStops(t, first, second)
			return again
		})
		return blown
	})
	if t.Logf("%d scenarios", scenarios); scenarios < 300 {
		t.Fatal("hardly anything was tried")
	}
}

func tryStops(t *testing.T, first, second death) (blown, again bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, gate := newWorld(t), make(chan struct{})
		stubborn := func(f *fuse) worker.Action { return w.stubborn(f, gate) }
		w.memory.Push(t, `{"id":"1","action":"x"}`)
		blown = w.liveWith(first, stubborn)
		again = w.liveWith(second, stubborn)
		w.liveWith(death{point: -1}, stubborn)
		close(gate)
		time.Sleep(time.Second) // nothing comes later
		w.checkStopped(blown || again, first, second)
	})
	return blown, again
}

// stubborn is an action whose first step goes on until the gate is open, and that ends well.
func (w *world) stubborn(f *fuse, gate <-chan struct{}) worker.Action {
	return worker.Action{Name: "x", Steps: []worker.Step{
		{Name: "10first", Run: func(context.Context, *worker.Call) error {
			err := f.do(func() error { return w.ran("10first") })
			<-gate
			return err
		}},
		{Name: "20second", Run: func(context.Context, *worker.Call) error { return w.ran("20second") }},
	}}
}

// checkStopped wants one result, which is true, and nothing left.
func (w *world) checkStopped(died bool, deaths ...death) {
	w.t.Helper()
	result := w.memory.Result(w.t, "1")
	wrong := ""
	switch lists := w.memory.Lists(w.t); {
	case w.finals() != 1:
		wrong = fmt.Sprintf("%d final statuses", w.finals())
	case len(lists.Waiting)+len(lists.InProgress)+len(w.journal.Left()) != 0:
		wrong = fmt.Sprintf("the lists are %+v, the journal has %+v", lists, w.journal.Left())
	case w.runs["10first"] > 1 || w.runs["20second"] > 0:
		wrong = "a step ran too often"
	case result.ExitCode == worker.ExitStopped:
	case result.ExitCode != worker.ExitInterrupted || !died || w.kept:
		wrong = "was not stopped"
	}
	if wrong != "" {
		w.t.Fatalf("%s; deaths %+v, runs %v, result %+v", wrong, deaths, w.runs, result)
	}
}
