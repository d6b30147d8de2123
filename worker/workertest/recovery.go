package workertest

import (
	"context"
	"errors"
	"time"

	"cluster-agent/worker"
)

func recoveryChecks() []check {
	return []check{
		{"what a life left behind is settled by the next", settled},
		{"what is no task is not settled but forgotten", rubbishLeft},
		{"a task whose reply was lost is handed out again, once", strayAgain},
		{"what a fetch took that was broken off is handed out", brokenOff},
		{"Return gives back what was not handed out, in order", returns},
		{"Return leaves alone what is being worked on", returnKeepsHeld},
		{"Return leaves alone what the life before had begun", returnKeepsOld},
		{"a task that could not be accepted is given back", returnsUnaccepted},
		{"a task whose result could not be stored is not given back", returnKeepsUnstored},
	}
}

func settled(b *bench) {
	first := b.Open(b.t)
	b.Remote.Push(b.t, order("cut off"), order("next"))
	task := b.take(first, "cut off")
	b.accept(first, task)
	closeInstance(b.t, first)

	watch := b.Remote.Watch(b.t)
	b.take(b.open(), "next")
	b.wantNews(watch, "cut off", worker.Progress{Status: worker.Aborted})
	b.wantRecord("cut off", map[string]string{"output": "", "exit_code": "12"})
	if b.Remote.Record(b.t, "cut off")["error"] == "" {
		b.t.Fatal("the error text says nothing")
	}
	b.wantLists(Lists{InProgress: []string{order("next")}})
}

func rubbishLeft(b *bench) {
	b.Strand(b.t, "rubbish", order("old"), `{"id":"no action"}`)
	b.Remote.Push(b.t, order("next"))
	b.take(b.open(), "next")
	b.wantRecord("old", map[string]string{"exit_code": "12"})
	b.wantLists(Lists{InProgress: []string{order("next")}})
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

// A task that was not even shown has not run.
func returnsUnaccepted(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	ctx, cancel := context.WithCancel(b.t.Context())
	cancel()
	if err := i.Accept(ctx, task); err == nil {
		b.t.Fatal("Accept went well with an ended context")
	}
	if err := i.Return(b.t.Context()); err != nil {
		b.t.Fatalf("return: %v", err)
	}
	b.wantLists(Lists{Waiting: []string{order("1")}})
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
	b.take(b.open(), "next")
	b.wantRecord("1", map[string]string{"exit_code": "12"})
}
