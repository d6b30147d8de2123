package main

import (
	"context"
	"io"
	"testing"

	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

// nextLast asks for a task when somebody else asks already whether any may be taken.
type nextLast struct {
	*heldQueue

	asked <-chan struct{}
}

func (q nextLast) Next(ctx context.Context, room int) (worker.Task, error) {
	<-q.asked
	return q.heldQueue.Next(ctx, room)
}

// An idle agent that may take no tasks ends when it is asked to, also while it asks for the
// sake of what an earlier life has left.
func TestHeldAgentEnds(t *testing.T) {
	t.Parallel()
	memory, journal := workertest.NewMemory("cluster"), workertest.NewJournal()
	left := worker.Task{ID: "left", Action: "a", Key: worker.KeyOf([]byte("left"))}
	if err := journal.Begin(left, "10")(); err != nil {
		t.Fatal(err)
	}
	journal.Leave(left)
	asked := make(chan struct{})
	instance := memory.Open()
	held := newHeldQueue(instance, func(ctx context.Context) {
		close(asked) // a second call would panic: one asks for all
		<-ctx.Done()
	})
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	actions, err := worker.NewRegistry(nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(worker.Config{
		AgentID: "cluster", Actions: actions, Queue: nextLast{held, asked}, Board: instance, Journal: journal, Log: logrus.NewEntry(logger),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(t.Context()) }()
	<-asked
	w.Drain()
	<-ended
}
