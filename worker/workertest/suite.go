package workertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cluster-agent/worker"
)

// Run checks an implementation of queue and board; make is called for every
// check, each of which wants an empty queue of its own.
func Run(t *testing.T, makeFixture func(t *testing.T) Fixture) {
	t.Helper()
	for _, check := range slices.Concat(queueChecks(), boardChecks(), recoveryChecks()) {
		t.Run(check.name, func(t *testing.T) {
			t.Parallel()
			check.run(&bench{Fixture: makeFixture(t), t: t})
		})
	}
}

// check is one promise of the contract.
type check struct {
	name string
	run  func(b *bench)
}

// bench is a fixture with the small tools the checks share.
type bench struct {
	Fixture
	t *testing.T
}

// patience bounds everything the suite waits for.
const patience = 10 * time.Second

// open begins a life that ends with the test.
func (b *bench) open() Instance {
	b.t.Helper()
	instance := b.Open(b.t)
	b.t.Cleanup(func() { closeInstance(b.t, instance) })
	return instance
}

func closeInstance(t *testing.T, instance Instance) {
	t.Helper()
	if err := instance.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func order(id string) string {
	return fmt.Sprintf(`{"id":%q,"action":"act","data":{"n":1},"user":"admin"}`, id)
}

// next takes the next task.
func (b *bench) next(queue worker.Queue) worker.Task {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	task, err := queue.Next(ctx, 1)
	if err != nil {
		b.t.Fatalf("next task: %v", err)
	}
	return task
}

// take takes the next task and wants it to be a certain one.
func (b *bench) take(queue worker.Queue, id string) worker.Task {
	b.t.Helper()
	task := b.next(queue)
	if task.ID != id {
		b.t.Fatalf("got task %q, want %q", task.ID, id)
	}
	return task
}

// accept has a task accepted, and waits until others see that.
func (b *bench) accept(board worker.Board, task worker.Task) {
	b.t.Helper()
	board.Accept(b.t.Context(), task)
	end := time.After(patience)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for b.Remote.Record(b.t, task.ID)["context"] == "" {
		select {
		case <-look.C:
		case <-end:
			b.t.Fatalf("task %s is not shown", task.ID)
		}
	}
}

func (b *bench) finish(board worker.Board, task worker.Task, result worker.Result) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if err := board.Finish(ctx, task, result); err != nil {
		b.t.Fatalf("finish: %v", err)
	}
}

// done is the result of a task that went well.
func done() worker.Result {
	return worker.Result{
		Output: []byte("out\n"), Error: []byte("err\n"),
		Final: worker.Progress{Status: worker.Completed, Percent: 100},
	}
}

func (b *bench) wantLists(want Lists) {
	b.t.Helper()
	got := b.Remote.Lists(b.t)
	if !slices.Equal(got.Waiting, want.Waiting) || !slices.Equal(got.InProgress, want.InProgress) {
		b.t.Fatalf("lists are %+v, want %+v", got, want)
	}
}

func (b *bench) wantRecord(id string, want map[string]string) {
	b.t.Helper()
	got := b.Remote.Record(b.t, id)
	for part, text := range want {
		if got[part] != text {
			b.t.Fatalf("%s of task %s is %q, want %q", part, id, got[part], text)
		}
	}
}

// wantNews wants the next message to be this progress of a task.
func (b *bench) wantNews(watch func() News, id string, p worker.Progress) {
	b.t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		b.t.Fatal(err)
	}
	if got, want := watch(), (News{b.taskNews(id), string(text)}); got != want {
		b.t.Fatalf("published %+v, want %+v", got, want)
	}
}

// idle has the instance do all it does before it waits, by letting it wait for
// a task that does not come.
func (b *bench) idle(queue worker.Queue) {
	b.t.Helper()
	b.Remote.Push(b.t, `no task`)
	var undecodable *worker.DecodeError
	if _, err := queue.Next(b.t.Context(), 1); !errors.As(err, &undecodable) {
		b.t.Fatalf("next: %v, want a DecodeError", err)
	}
}
