package workertest

import (
	"context"
	"testing"

	"cluster-agent/worker"
)

func recoveryChecks() []check {
	return []check{
		{"what a life left behind is settled by the next", settled},
		{"what is no task is not settled but forgotten", rubbishLeft},
		{"a task whose reply was lost is handed out again, once", strayAgain},
		{"Return gives back what was not handed out, in order", returns},
		{"Return leaves alone what is being worked on", returnKeepsHeld},
		{"Return leaves alone what the life before had begun", returnKeepsOld},
		{"a task whose result could not be stored is not given back", returnKeepsUnstored},
	}
}

func settled(t *testing.T, b *bench) {
	first := b.Open(t)
	b.Remote.Push(t, order("cut off"), order("next"))
	task := b.take(t, first, "cut off")
	b.accept(t, first, task)
	closeInstance(t, first)

	watch := b.Remote.Watch(t)
	b.take(t, b.open(t), "next")
	b.wantNews(t, watch, "cut off", worker.Progress{Status: worker.Aborted})
	b.wantRecord(t, "cut off", map[string]string{"output": "", "exit_code": "12"})
	if b.Remote.Record(t, "cut off")["error"] == "" {
		t.Fatal("the error text says nothing")
	}
	b.wantLists(t, Lists{InProgress: []string{order("next")}})
}

func rubbishLeft(t *testing.T, b *bench) {
	b.Strand(t, "rubbish", order("old"), `{"id":"no action"}`)
	b.Remote.Push(t, order("next"))
	b.take(t, b.open(t), "next")
	b.wantRecord(t, "old", map[string]string{"exit_code": "12"})
	b.wantLists(t, Lists{InProgress: []string{order("next")}})
}

func strayAgain(t *testing.T, b *bench) {
	b.LoseReply(t)
	i := b.open(t)
	b.Remote.Push(t, order("1"), order("2"))
	first := b.take(t, i, "1")
	b.wantLists(t, Lists{Waiting: []string{order("2")}, InProgress: []string{order("1")}})
	b.take(t, i, "2")
	b.wantRecord(t, "1", map[string]string{"exit_code": ""})
	b.finish(t, i, first, done())
	b.wantLists(t, Lists{InProgress: []string{order("2")}})
}

func returns(t *testing.T, b *bench) {
	i := b.open(t)
	b.idle(t, i)
	b.Strand(t, order("1"), order("2"))
	b.Remote.Push(t, order("3"))
	if err := i.Return(t.Context()); err != nil {
		t.Fatalf("return: %v", err)
	}
	b.wantLists(t, Lists{Waiting: []string{order("1"), order("2"), order("3")}})
	b.wantRecord(t, "1", map[string]string{"exit_code": ""})
}

func returnKeepsHeld(t *testing.T, b *bench) {
	i := b.open(t)
	b.Remote.Push(t, order("1"))
	task := b.take(t, i, "1")
	if err := i.Return(t.Context()); err != nil {
		t.Fatalf("return: %v", err)
	}
	b.wantLists(t, Lists{InProgress: []string{order("1")}})
	b.finish(t, i, task, done())
	if err := i.Return(t.Context()); err != nil {
		t.Fatalf("return: %v", err)
	}
	b.wantLists(t, Lists{})
}

// An agent that is stopped before it has settled what its last life was running
// must not give that back: it would be run a second time.
func returnKeepsOld(t *testing.T, b *bench) {
	b.Strand(t, order("begun"))
	i := b.open(t)
	if err := i.Return(t.Context()); err != nil {
		t.Fatalf("return: %v", err)
	}
	b.wantLists(t, Lists{InProgress: []string{order("begun")}})
}

// The same holds for a task that this life has run and could not finish in time.
func returnKeepsUnstored(t *testing.T, b *bench) {
	i := b.open(t)
	b.Remote.Push(t, order("1"))
	task := b.take(t, i, "1")
	b.accept(t, i, task)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Finish(ctx, task, done()); err == nil {
		t.Fatal("Finish went well with an ended context")
	}
	if err := i.Return(t.Context()); err != nil {
		t.Fatalf("return: %v", err)
	}
	b.wantLists(t, Lists{InProgress: []string{order("1")}})
	b.Remote.Push(t, order("next"))
	b.take(t, b.open(t), "next")
	b.wantRecord(t, "1", map[string]string{"exit_code": "12"})
}
