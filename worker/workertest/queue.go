package workertest

import (
	"context"
	"errors"
	"slices"
	"strconv"
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
		{"no more is taken than there is room for", noMoreThanRoom},
		{"Ahead takes what is wanted out of the queue, and looks at each task once", ahead},
		{"Withdraw takes a waiting task, and no other", withdraws},
	}
}

func inOrder(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"), order("2"))
	b.Remote.Push(b.t, order("3"))
	for _, id := range []string{"1", "2", "3"} {
		b.take(i, id)
	}
}

func wakes(b *bench) {
	i := b.open()
	b.idle(i)
	got := make(chan worker.Task)
	go func() {
		task, err := i.Next(b.t.Context(), 1)
		if err != nil {
			b.t.Errorf("next: %v", err)
		}
		got <- task
	}()
	b.Remote.Push(b.t, order("late"))
	if task := <-got; task.ID != "late" {
		b.t.Fatalf("got %q", task.ID)
	}
}

func staysInProgress(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"), order("2"))
	task := b.take(i, "1")
	b.wantLists(Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.accept(i, task)
	i.Report(b.t.Context(), task, worker.Progress{Status: worker.Running})
	b.wantLists(Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.finish(i, task, done())
	b.wantLists(Lists{Waiting: []string{order("2")}})
}

// A queue may take several tasks at once, and hands them out in order. What is
// taken and not handed out yet is given back.
func noMoreThanRoom(b *bench) {
	const room = 3
	i := b.open()
	b.Remote.Push(b.t, order("1"), order("2"), order("3"), order("4"), order("5"), order("6"), order("7"))
	for n := range 5 {
		task, err := i.Next(b.t.Context(), room)
		if err != nil || task.ID != strconv.Itoa(n+1) {
			b.t.Fatalf("task %d is %q, %v", n+1, task.ID, err)
		}
		b.finish(i, task, done())
		if taken := b.Remote.Lists(b.t).InProgress; len(taken) > room-1 {
			b.t.Fatalf("%d tasks are taken beside the one that was handed out", len(taken))
		}
	}
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.wantLists(Lists{Waiting: []string{order("6"), order("7")}})
}

func equalPayloads(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"), order("1"), order("2"))
	first, second := b.take(i, "1"), b.take(i, "1")
	b.finish(i, first, done())
	b.wantLists(Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.finish(i, second, done())
	b.wantLists(Lists{Waiting: []string{order("2")}})
	b.take(i, "2")
}

func undecodable(b *bench) {
	i := b.open()
	for _, payload := range []string{"Il n'y a rien", `{"id":`, `[]`, `{"action":"x"}`, `{"id":7,"action":"x"}`, "\xff\x00"} {
		b.Remote.Push(b.t, payload)
		_, err := i.Next(b.t.Context(), 1)
		var reason *worker.DecodeError
		if !errors.As(err, &reason) || reason.Error() == "" {
			b.t.Fatalf("%q: error %v, want a DecodeError with a reason", payload, err)
		}
		b.wantLists(Lists{})
	}
	b.Remote.Push(b.t, order("good"))
	b.take(i, "good")
}

func asPushed(b *bench) {
	i := b.open()
	payload := ` {"queue":"q","id":"ü/1","action":"a b","data":[1.50, "x"],"user":"joe","extra":{"y":null}} `
	b.Remote.Push(b.t, payload)
	task := b.take(i, "ü/1")
	if task.Action != "a b" || string(task.Data) != `[1.50, "x"]` || task.User != "joe" || string(task.Payload) != payload {
		b.t.Fatalf("got %+v", task)
	}
}

func nextEnds(b *bench) {
	i := b.open()
	b.idle(i)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error)
	go func() {
		_, err := i.Next(ctx, 1)
		ended <- err
	}()
	cancel()
	began := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		b.t.Fatalf("error %v, want that of the context", err)
	}
	if took := time.Since(began); took > time.Second {
		b.t.Fatalf("took %v", took)
	}
}

func endedTakesNothing(b *bench) {
	i := b.open()
	b.idle(i)
	b.Remote.Push(b.t, order("1"))
	ctx, cancel := context.WithCancel(b.t.Context())
	cancel()
	if _, err := i.Next(ctx, 1); !errors.Is(err, context.Canceled) {
		b.t.Fatalf("error %v, want that of the context", err)
	}
	b.wantLists(Lists{Waiting: []string{order("1")}})
}

// A task may be pushed in the very moment in which Next is given up. Wherever
// that finds it, it is there for the next Next, or is given back.
func afterGivingUp(b *bench) {
	i := b.open()
	b.idle(i)
	for range 20 {
		ctx, cancel := context.WithCancel(b.t.Context())
		ended := make(chan worker.Task)
		go func() {
			task, err := i.Next(ctx, 1)
			if err != nil && !errors.Is(err, context.Canceled) {
				b.t.Errorf("next: %v", err)
			}
			ended <- task
		}()
		go cancel()
		b.Remote.Push(b.t, order("1"))
		task := <-ended
		if task.ID == "" {
			b.settleGivenUp(i)
			task = b.take(i, "1")
		}
		b.finish(i, task, done())
		b.wantLists(Lists{})
	}
}

// settleGivenUp gives back a task that was taken and not handed out.
func (b *bench) settleGivenUp(i Instance) {
	b.t.Helper()
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	if lists := b.Remote.Lists(b.t); !slices.Equal(lists.Waiting, []string{order("1")}) {
		b.t.Fatalf("after Return: %+v", lists)
	}
}

func ahead(b *bench) {
	i := b.open()
	var seen []string
	wanted := func(task worker.Task) bool {
		seen = append(seen, task.ID)
		return task.ID == "wanted"
	}
	look := func(want string) {
		b.t.Helper()
		task, found, err := i.Ahead(b.t.Context(), wanted)
		if err != nil || found != (want != "") || task.ID != want {
			b.t.Fatalf("got %+v, %v, %v; want %q", task, found, err, want)
		}
	}
	look("")
	b.Remote.Push(b.t, order("1"), order("2"), "rubbish")
	look("")
	b.take(i, "1")
	b.Remote.Push(b.t, order("3"), order("wanted"), order("4"))
	look("wanted")
	look("")
	look("")
	seen = nil
	if look(""); len(seen) != 0 {
		b.t.Fatalf("looked again at %v", seen)
	}
	b.wantLists(Lists{
		Waiting:    []string{order("2"), "rubbish", order("3"), order("4")},
		InProgress: []string{order("1"), order("wanted")},
	})
}

func withdraws(b *bench) {
	i, second := b.open(), func(task worker.Task) bool { return task.ID == "2" }
	b.Remote.Push(b.t, order("1"), order("2"), order("3"))
	task, found, err := i.Withdraw(b.t.Context(), second)
	if err != nil || !found || task.ID != "2" {
		b.t.Fatalf("got %+v, %v, %v", task, found, err)
	}
	if _, found, err := i.Withdraw(b.t.Context(), second); found || err != nil {
		b.t.Fatalf("again: %v, %v", found, err)
	}
	b.wantLists(Lists{Waiting: []string{order("1"), order("3")}, InProgress: []string{order("2")}})
	b.take(i, "1")
	b.finish(i, task, done())
	b.wantLists(Lists{Waiting: []string{order("3")}, InProgress: []string{order("1")}})
}
