package workertest

import (
	"context"
	"errors"
	"maps"
	"time"

	"cluster-agent/worker"
)

func recoveryChecks() []check {
	return []check{
		{"what a life left behind is handed out by the next, before what waits", handedOutAgain},
		{"what is no task and was left behind is forgotten", rubbishLeft},
		{"a task whose reply was lost is handed out again, once", strayAgain},
		{"what a fetch took that was broken off is handed out", brokenOff},
		{"Return gives back what was not handed out, in order", returns},
		{"Return leaves alone what is being worked on", returnKeepsHeld},
		{"Return leaves alone what the life before had begun", returnKeepsOld},
		{"Return leaves alone what the life before had begun and this one not come to", returnKeepsOthers},
		{"a task whose result could not be stored is not given back", returnKeepsUnstored},
		{"Known tells the keys of the tasks in progress, and of those that wait", knownKeys},
		{"the result of a task that only its name is left of is stored once", finishByName},
	}
}

func handedOutAgain(b *bench) {
	first := b.Open(b.t)
	b.Remote.Push(b.t, order("cut off"), order("next"))
	b.accept(first, b.take(first, "cut off"))
	closeInstance(b.t, first)

	second := b.open()
	task := b.take(second, "cut off")
	b.take(second, "next")
	b.wantRecord("cut off", map[string]string{"exit_code": ""})
	b.finish(second, task, done())
	b.wantLists(Lists{InProgress: []string{order("next")}})
}

func rubbishLeft(b *bench) {
	b.Strand(b.t, "rubbish", order("old"))
	b.Remote.Push(b.t, order("next"))
	i := b.open()
	var undecodable *worker.DecodeError
	if _, err := i.Next(b.t.Context(), 1); !errors.As(err, &undecodable) {
		b.t.Fatalf("error %v, want a DecodeError", err)
	}
	b.take(i, "old")
	b.take(i, "next")
	b.wantLists(Lists{InProgress: []string{order("old"), order("next")}})
}

func knownKeys(b *bench) {
	b.Strand(b.t, order("old"))
	b.Remote.Push(b.t, order("next"), order("waiting"))
	i := b.open()
	b.take(i, "old")
	b.take(i, "next")
	got, err := i.Known(b.t.Context())
	want := map[string]bool{}
	for _, id := range []string{"old", "next", "waiting"} {
		want[worker.KeyOf([]byte(order(id)))] = true
	}
	if err != nil || !maps.Equal(got, want) {
		b.t.Fatalf("got %v, %v", got, err)
	}
}

// A journal may know of a task that Redis has lost.
func finishByName(b *bench) {
	i := b.open()
	named := worker.Task{ID: "lost", Action: "act", Key: worker.KeyOf([]byte(order("lost")))}
	watch := b.Remote.Watch(b.t)
	b.finish(i, named, done())
	if err := i.Finish(b.t.Context(), named, worker.Result{ExitCode: worker.ExitInterrupted}); !errors.Is(err, worker.ErrOtherResult) {
		b.t.Fatalf("the second result: %v", err)
	}
	b.wantNews(watch, "lost", done().Final)
	b.wantRecord("lost", map[string]string{"output": "out\n", "exit_code": "0"})
}

func strayAgain(b *bench) {
	b.LoseReply(b.t)
	i := b.open()
	b.Remote.Push(b.t, order("1"), order("2"))
	first := b.take(i, "1")
	b.wantLists(Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.take(i, "2")
	b.wantRecord("1", map[string]string{"exit_code": ""})
	b.finish(i, first, done())
	b.wantLists(Lists{InProgress: []string{order("2")}})
}

// A server may carry out a fetch after the agent has given it up.
func brokenOff(b *bench) {
	i := b.open()
	b.idle(i)
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := i.Next(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		b.t.Fatalf("error %v, want that of the context", err)
	}
	b.Strand(b.t, order("1"))
	b.Remote.Push(b.t, order("2"))
	b.take(i, "1")
	b.take(i, "2")
}

func returns(b *bench) {
	i := b.open()
	b.idle(i)
	b.Strand(b.t, order("1"), order("2"))
	b.Remote.Push(b.t, order("3"))
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{Waiting: []string{order("1"), order("2"), order("3")}})
	b.wantRecord("1", map[string]string{"exit_code": ""})
}

func returnKeepsHeld(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{InProgress: []string{order("1")}})
	b.finish(i, task, done())
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{})
}

// An agent that is stopped before it has settled what its last life was running
// must not give that back: it would be run a second time.
func returnKeepsOld(b *bench) {
	b.Strand(b.t, order("begun"))
	i := b.open()
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{InProgress: []string{order("begun")}})
}

// Nor does it when this life has looked, and has not come to all of them.
func returnKeepsOthers(b *bench) {
	b.Strand(b.t, order("begun"), order("begun too"))
	i := b.open()
	b.take(i, "begun")
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{InProgress: []string{order("begun"), order("begun too")}})
}

// A task that has run and could not be finished in time may not be given back,
// any more than one that the life before had begun.
func returnKeepsUnstored(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	b.accept(i, task)
	ctx, cancel := context.WithCancel(b.t.Context())
	cancel()
	if err := i.Finish(ctx, task, done()); err == nil {
		b.t.Fatal("Finish went well with an ended context")
	}
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{InProgress: []string{order("1")}})
	b.Remote.Push(b.t, order("next"))
	b.take(b.open(), "1")
}
