package redisq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// Client is the side of those who give tasks.
type Client struct{ redis *redis.Client }

// NewClient returns a client on a connection that belongs to the caller.
func NewClient(connection *redis.Client) *Client { return &Client{redis: connection} }

// Order is a task to be given.
type Order struct {
	Agent  string          // whose queue it goes to
	Action string          // what to do
	Data   json.RawMessage // input
	User   string          // on whose behalf
}

// Outcome is what became of a task.
type Outcome struct {
	Status   worker.Status
	Output   []byte
	Error    []byte
	ExitCode int
	// Replaced says that the Redis became a replica meanwhile: the task's record
	// is gone, and of its result only the status is known.
	Replaced bool
}

// Ticket is a task that was given and is waited for.
type Ticket struct {
	ID     string
	order  Order
	client *Client
	news   *redis.PubSub
}

// payload is the form of a task in the queue.
type payload struct {
	ID        string          `json:"id"`
	Action    string          `json:"action"`
	Data      json.RawMessage `json:"data"`
	Extra     struct{}        `json:"extra"`
	Parent    string          `json:"parent"`
	User      string          `json:"user"`
	Queue     string          `json:"queue"`
	Timestamp string          `json:"timestamp"`
}

// Submit subscribes to the task's progress and then pushes it, so that nothing
// of it is missed. The ticket has to be closed.
func (c *Client) Submit(ctx context.Context, order Order) (*Ticket, error) {
	ticket := &Ticket{ID: uuid.NewString(), order: order, client: c}
	task, err := json.Marshal(payload{
		ID: ticket.ID, Action: order.Action, Data: order.Data, User: order.User,
		Queue: queueKey(order.Agent), Timestamp: time.Now().UTC().Format(time.RFC3339Nano),
	})
	if err != nil {
		return nil, fmt.Errorf("encode task: %w", err)
	}
	ticket.news = c.redis.Subscribe(ctx, progressChannel(order.Agent, ticket.ID))
	if _, err := ticket.news.Receive(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to the task's progress: %w", err), ticket.news.Close())
	}
	if err := c.redis.LPush(ctx, queueKey(order.Agent), task).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("push task to %s: %w", queueKey(order.Agent), err), ticket.news.Close())
	}
	return ticket, nil
}

// Close ends the subscription.
func (t *Ticket) Close() error { return t.news.Close() }

// lookInterval is how often the record itself is looked at: news can be lost
// with a connection.
const lookInterval = 2 * time.Second

// Wait waits for the outcome. progress (may be nil) is told the news.
func (t *Ticket) Wait(ctx context.Context, progress func(worker.Progress)) (Outcome, error) {
	for {
		message, err := t.news.ReceiveTimeout(ctx, lookInterval)
		switch {
		case ctx.Err() != nil:
			return Outcome{}, ctx.Err()
		case err != nil:
			outcome, found, lookErr := t.look(ctx, "")
			if found || (lookErr != nil && !isTimeout(err)) {
				return outcome, lookErr
			}
			continue
		}
		news, ok := parseNews(message)
		if !ok {
			continue
		}
		if progress != nil {
			progress(news)
		}
		if isFinal(news.Status) {
			outcome, _, err := t.look(ctx, news.Status)
			return outcome, err
		}
	}
}

func parseNews(message any) (worker.Progress, bool) {
	var news worker.Progress
	text, ok := message.(*redis.Message)
	if !ok || json.Unmarshal([]byte(text.Payload), &news) != nil {
		return news, false
	}
	return news, true
}

func isFinal(status worker.Status) bool {
	return slices.Contains([]worker.Status{worker.Completed, worker.Aborted, worker.ValidationFailed}, status)
}

// look reads the outcome's keys; false if they are not there.
func (t *Ticket) look(ctx context.Context, status worker.Status) (Outcome, bool, error) {
	pipe := t.client.redis.Pipeline()
	output := pipe.Get(ctx, taskKey(t.order.Agent, t.ID, "output"))
	errput := pipe.Get(ctx, taskKey(t.order.Agent, t.ID, "error"))
	code := pipe.Get(ctx, taskKey(t.order.Agent, t.ID, "exit_code"))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Outcome{}, false, fmt.Errorf("read outcome: %w", err)
	}
	if errors.Is(code.Err(), redis.Nil) {
		return replaced(status), status != "", nil
	}
	exit, err := strconv.Atoi(code.Val())
	if err != nil {
		return Outcome{}, true, fmt.Errorf("read exit code: %w", err)
	}
	if status == "" {
		status = statusOf(exit)
	}
	return Outcome{Status: status, Output: []byte(output.Val()), Error: []byte(errput.Val()), ExitCode: exit}, true, nil
}

// replaced is the outcome of a task whose record is gone: the status alone
// tells how it ended.
func replaced(status worker.Status) Outcome {
	outcome := Outcome{Status: status, Replaced: true}
	switch status {
	case worker.Aborted:
		outcome.ExitCode = worker.ExitFailure
	case worker.ValidationFailed:
		outcome.ExitCode = worker.ExitInvalid
	case worker.Completed, worker.Pending, worker.Running:
	}
	return outcome
}

func statusOf(exit int) worker.Status {
	if exit == 0 {
		return worker.Completed
	}
	return worker.Aborted
}

// Alive tells whether an agent is connected: a connection with its name that
// is not idle for longer than maxIdle.
func (c *Client) Alive(ctx context.Context, agent string, maxIdle time.Duration) (bool, error) {
	list, err := c.redis.Do(ctx, "CLIENT", "LIST", "TYPE", "normal").Text()
	if err != nil {
		return false, fmt.Errorf("list connections: %w", err)
	}
	for line := range strings.Lines(list) {
		if isAgent(line, agent, maxIdle) {
			return true, nil
		}
	}
	return false, nil
}

func isAgent(line, agent string, maxIdle time.Duration) bool {
	seconds, err := strconv.Atoi(field(line, "idle"))
	return err == nil && field(line, "name") == agent && time.Duration(seconds)*time.Second <= maxIdle
}

// field returns the value of key=value in a line of CLIENT LIST.
func field(line, key string) string {
	for word := range strings.FieldsSeq(line) {
		if value, found := strings.CutPrefix(word, key+"="); found {
			return value
		}
	}
	return ""
}

// Agents lists the agents that are connected, sorted, each once.
func (c *Client) Agents(ctx context.Context, maxIdle time.Duration) ([]string, error) {
	list, err := c.redis.Do(ctx, "CLIENT", "LIST", "TYPE", "normal").Text()
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	var agents []string
	for line := range strings.Lines(list) {
		if name := field(line, "name"); isAgentID(name) && isAgent(line, name, maxIdle) {
			agents = append(agents, name)
		}
	}
	slices.Sort(agents)
	return slices.Compact(agents), nil
}

func isAgentID(name string) bool {
	return name == "cluster" || strings.HasPrefix(name, "node/") || strings.HasPrefix(name, "module/")
}
