// Package workertest checks implementations of the engine's queue and board:
// one suite, [Run], that every one of them has to pass. It also has a small
// honest one in memory, [Memory], for tests of what stands above.
package workertest

import (
	"context"
	"testing"

	"cluster-agent/worker"
)

// Instance is one life of an agent's queue and board.
type Instance interface {
	worker.Queue
	worker.Board
	// Return gives back what was fetched and never handed out.
	Return(ctx context.Context) error
	// Close ends this life; what is in progress stays so.
	Close() error
}

// Lists are the payloads that stand in a queue, the one to come first first.
type Lists struct {
	Waiting    []string
	InProgress []string // the one taken first comes first
}

// News is one message as it was published.
type News struct {
	Channel string
	Payload string
}

// Remote is the other side: what clients of an agent do and see.
type Remote interface {
	// Push puts tasks into the queue, the first to be taken first.
	Push(t *testing.T, payloads ...string)
	// Lists tells what stands in the queue.
	Lists(t *testing.T) Lists
	// Record returns what is known of a task: context, output, error, exit_code.
	Record(t *testing.T, id string) map[string]string
	// Watch hands out, in order, what is published from now on.
	Watch(t *testing.T) func() News
}

// Fixture is an agent's queue and board under test. All its tasks and channels
// belong to one agent, and nobody else uses them.
type Fixture struct {
	Agent  string
	Remote Remote
	// Open begins a new life of the agent. The suite closes it.
	Open func(t *testing.T) Instance
	// LoseReply, called before Open, makes the agent lose touch in the very
	// moment in which it takes its first task: that is in progress then, and the
	// agent was not told.
	LoseReply func(t *testing.T)
	// Strand leaves payloads in progress, as a life that lost its reply and
	// ended would, the first taken first.
	Strand func(t *testing.T, payloads ...string)
}

// taskNews is the channel of a task's progress.
func (f Fixture) taskNews(id string) string { return "progress/" + f.Agent + "/task/" + id }
