package workertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"cluster-agent/worker"
)

func queueChecks() []check {
	return []check{
		{"tasks come in the order they were pushed", inOrder},
		{"a task pushed later wakes a waiting Next", wakes},
		{"a task stays in progress until it is finished", staysInProgress},
		{"equal payloads are different tasks", equalPayloads},
		{"what is no task is a DecodeError and forgotten", undecodable},
		{"the task is what was pushed", asPushed},
		{"Next ends with its context within a second", nextEnds},
		{"an ended context takes no task", endedTakesNothing},
		{"what Next gave up on can be had again", afterGivingUp},
	}
}

func inOrder(t *testing.T, b *bench) {
	i := b.open(t)
	b.Remote.Push(t, order("1"), order("2"))
	b.Remote.Push(t, order("3"))
	for _, id := range []string{"1", "2", "3"} {
		b.take(t, i, id)
	}
}

func wakes(t *testing.T, b *bench) {
	i := b.open(t)
	b.idle(t, i)
	got := make(chan worker.Task)
	go func() {
		task, err := i.Next(t.Context())
		if err != nil {
			t.Errorf("next: %v", err)
		}
		got <- task
	}()
	b.Remote.Push(t, order("late"))
	if task := <-got; task.ID != "late" {
		t.Fatalf("got %q", task.ID)
	}
}

func staysInProgress(t *testing.T, b *bench) {
	i := b.open(t)
	b.Remote.Push(t, order("1"), order("2"))
	task := b.take(t, i, "1")
	b.wantLists(t, Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.accept(t, i, task)
	if err := i.Report(t.Context(), task, worker.Progress{Status: worker.Running}); err != nil {
		t.Fatal(err)
	}
	b.wantLists(t, Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.finish(t, i, task, done())
	b.wantLists(t, Lists{Waiting: []string{order("2")}})
}

func equalPayloads(t *testing.T, b *bench) {
	i := b.open(t)
	b.Remote.Push(t, order("1"), order("1"), order("2"))
	first, second := b.take(t, i, "1"), b.take(t, i, "1")
	b.finish(t, i, first, done())
	b.wantLists(t, Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.finish(t, i, second, done())
	b.wantLists(t, Lists{Waiting: []string{order("2")}})
	b.take(t, i, "2")
}

func undecodable(t *testing.T, b *bench) {
	i := b.open(t)
	for _, payload := range []string{"Il n'y a rien", `{"id":`, `[]`, `{"id":"x"}`, `{"action":"x"}`, `{"id":7,"action":"x"}`, "\xff\x00"} {
		b.Remote.Push(t, payload)
		_, err := i.Next(t.Context())
		var reason *worker.DecodeError
		if !errors.As(err, &reason) || reason.Error() == "" {
			t.Fatalf("%q: error %v, want a DecodeError with a reason", payload, err)
		}
		b.wantLists(t, Lists{})
	}
	b.Remote.Push(t, order("good"))
	b.take(t, i, "good")
}

func asPushed(t *testing.T, b *bench) {
	i := b.open(t)
	payload := ` {"queue":"q","id":"ü/1","action":"a b","data":[1.50, "x"],"user":"joe","extra":{"y":null}} `
	b.Remote.Push(t, payload)
	task := b.take(t, i, "ü/1")
	if task.Action != "a b" || string(task.Data) != `[1.50, "x"]` || task.User != "joe" || string(task.Payload) != payload {
		t.Fatalf("got %+v", task)
	}
}

func nextEnds(t *testing.T, b *bench) {
	i := b.open(t)
	b.idle(t, i)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := i.Next(ctx)
		ended <- err
	}()
	cancel()
	began := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Fatalf("took %v", took)
	}
}

func endedTakesNothing(t *testing.T, b *bench) {
	i := b.open(t)
	b.idle(t, i)
	b.Remote.Push(t, order("1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	b.wantLists(t, Lists{Waiting: []string{order("1")}})
}

// A task may be pushed in the very moment in which Next is given up. Wherever
// that finds it, it is there for the next Next, or is given back.
func afterGivingUp(t *testing.T, b *bench) {
	i := b.open(t)
	b.idle(t, i)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan worker.Task)
		go func() {
			task, err := i.Next(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("next: %v", err)
			}
			ended <- task
		}()
		go cancel()
		b.Remote.Push(t, order("1"))
		task := <-ended
		if task.ID == "" {
			b.settleGivenUp(t, i)
			task = b.take(t, i, "1")
		}
		b.finish(t, i, task, done())
		b.wantLists(t, Lists{})
	}
}

// settleGivenUp gives back a task that was taken and not handed out.
func (b *bench) settleGivenUp(t *testing.T, i Instance) {
	t.Helper()
	if err := i.Return(t.Context()); err != nil {
		t.Fatalf("return: %v", err)
	}
	if lists := b.Remote.Lists(t); !slices.Equal(lists.Waiting, []string{order("1")}) {
		t.Fatalf("after Return: %+v", lists)
	}
}
