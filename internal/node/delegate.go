package node

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/wait"
	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
)

// Errors by which a question to another node's agent stays open.
var (
	// ErrCannotTell is the answer of an agent that does not know the question.
	ErrCannotTell = errors.New("its agent, of another implementation or an older one, cannot tell")
	// ErrNoAnswer says that the agent did not take the question, or did not end with it, in time.
	ErrNoAnswer = errors.New("its agent does not answer")
)

// Delegate gives tasks to the agents of nodes, from the leader.
type Delegate struct {
	redis  *redis.Client
	client *redisq.Client
}

// Delegate runs work that asks other nodes' agents.
func (m *Machine) Delegate(work func(*Delegate) error) (err error) {
	connection, err := m.localRedis()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close()) }()
	return work(&Delegate{redis: connection, client: redisq.NewClient(connection)})
}

// aliveInterval is how often it is asked whether an agent has come.
const aliveInterval = 100 * time.Millisecond

// Alive tells whether the agent of a node is connected, as soon as it is, or ctx ends.
func (d *Delegate) Alive(ctx context.Context, node int) (bool, error) {
	for {
		alive, err := d.client.Alive(ctx, cluster.UserName(node), agentIdle)
		if alive || ctx.Err() != nil {
			return alive, nil //nolint:nilerr // the time is over, and that is the answer
		}
		if err != nil {
			return false, err
		}
		wait.For(ctx, aliveInterval)
	}
}

// endTime is how long an agent that is told to end may take to clean up.
const endTime = 5 * time.Second

// Question is a task for a node's agent. Input and output are what becomes, and comes
// from, JSON.
type Question struct {
	Node   int
	Action string
	Input  any
	Output any           // nil: not wanted
	Taken  time.Duration // how soon the agent has to take it: one that lost its connection seems to be there for a while
	Within time.Duration // how soon it has to be done, from then on
}

// Ask gives a task to a node's agent, and waits for its output.
func (d *Delegate) Ask(ctx context.Context, q Question) error {
	ticket, err := d.submit(ctx, q.Node, q.Action, q.Input)
	if err != nil {
		return err
	}
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	limit := time.AfterFunc(q.Taken, func() { stop(ErrNoAnswer) })
	defer limit.Stop()
	outcome, err := ticket.Wait(waiting, func(p worker.Progress) {
		if p.Status == worker.Pending || p.Status == worker.Running && p.Percent == 0 {
			limit.Reset(q.Within)
		}
	})
	if err == nil {
		err = understand(outcome, q.Output)
	} else {
		err = d.unanswered(ctx, q.Node, ticket, cmp.Or(context.Cause(waiting), err))
	}
	return errors.Join(err, ticket.Close())
}

func (d *Delegate) submit(ctx context.Context, node int, action string, input any) (*redisq.Ticket, error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("encode input of %s: %w", action, err)
	}
	return d.client.Submit(ctx, redisq.Order{Agent: cluster.UserName(node), Action: action, Data: data, User: "cluster"})
}

// understand makes an error, or the output, of what became of a task.
func understand(outcome redisq.Outcome, output any) error {
	switch {
	case outcome.ExitCode == worker.ExitUndefined:
		return ErrCannotTell
	case outcome.ExitCode != 0 || outcome.Status != worker.Completed:
		return errors.New(lastLine(outcome))
	case output == nil:
		return nil
	}
	if err := json.Unmarshal(outcome.Output, output); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	return nil
}

// lastLine is what an agent says of a failure: the last line of the error text.
func lastLine(outcome redisq.Outcome) string {
	lines := strings.Split(string(bytes.TrimSpace(outcome.Error)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return fmt.Sprintf("its agent ended with %q, exit code %d", outcome.Status, outcome.ExitCode)
}

// unanswered takes a task back that nobody has answered in time, and says so.
func (d *Delegate) unanswered(ctx context.Context, node int, ticket *redisq.Ticket, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	queue := cluster.UserName(node) + "/tasks"
	waiting, err := d.redis.LRange(ctx, queue, 0, -1).Result()
	for _, task := range waiting {
		if err == nil && strings.Contains(task, ticket.ID) {
			return errors.Join(why, d.redis.LRem(ctx, queue, 1, task).Err())
		}
	}
	return errors.Join(why, err, d.tellEnd(ctx, node, ticket))
}

// tellEnd tells an agent to end a task. What it says to that is of no interest.
func (d *Delegate) tellEnd(ctx context.Context, node int, ticket *redisq.Ticket) error {
	cancelling, err := d.submit(ctx, node, "cancel-task", map[string]string{"task": ticket.ID})
	if err != nil {
		return err
	}
	return cancelling.Close()
}

// standbySeconds bounds how long a candidate stands by, should it not be told to end.
const standbySeconds = 30

// errReady ends the wait for a node that stands by.
var errReady = errors.New("it stands by")

// WithStandby runs work while a node stands by to lead, see [Machine.StandBy]. Within
// the time given the node has to be ready.
func (d *Delegate) WithStandby(ctx context.Context, node int, within time.Duration, work func() error) error {
	ticket, err := d.submit(ctx, node, "stand-by", map[string]int{"seconds": standbySeconds})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, within, ErrNoAnswer)
	defer cancel()
	waiting, ready := context.WithCancelCause(limited)
	defer ready(nil)
	outcome, err := ticket.Wait(waiting, func(p worker.Progress) {
		if p.Status == worker.Running && p.Percent > 0 {
			ready(errReady)
		}
	})
	switch {
	case err == nil: // it has ended by itself
		err = understand(outcome, nil)
	case errors.Is(context.Cause(waiting), errReady):
		err = errors.Join(work(), d.end(ctx, node, ticket))
	default:
		err = d.unanswered(limited, node, ticket, cmp.Or(context.Cause(waiting), err))
	}
	return errors.Join(err, ticket.Close())
}

// end makes a node stand by no longer, and waits until all there is as before.
func (d *Delegate) end(ctx context.Context, node int, ticket *redisq.Ticket) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := d.tellEnd(ctx, node, ticket); err != nil {
		return err
	}
	outcome, err := ticket.Wait(ctx, nil)
	if err != nil {
		return fmt.Errorf("let node %d stand by no longer: %w", node, err)
	}
	return understand(outcome, nil)
}
