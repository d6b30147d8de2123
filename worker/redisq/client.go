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
	Parent string          // id of the task whose subtask it is; as a rule empty
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

// Ticket is a task that was given and is waited for. It is for one goroutine.
type Ticket struct {
	ID     string
	order  Order
	client *Client
	pubsub *redis.PubSub
	news   <-chan any    // messages, and subscriptions that were renewed
	final  worker.Status // heard, while the outcome could not be read yet
	pause  time.Duration // between two looks
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
	ticket := &Ticket{ID: uuid.NewString(), order: order, client: c, pause: lookInterval}
	task, err := json.Marshal(payload{
		ID: ticket.ID, Action: order.Action, Data: order.Data, User: order.User, Parent: order.Parent,
		Queue: queueKey(order.Agent), Timestamp: time.Now().UTC().Format(time.RFC3339Nano),
	})
	if err != nil {
		return nil, fmt.Errorf("encode task: %w", err)
	}
	ticket.pubsub = c.redis.Subscribe(ctx, progressChannel(order.Agent, ticket.ID))
	if _, err := ticket.pubsub.ReceiveTimeout(ctx, replyTime); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to the task's progress: %w", err), ticket.pubsub.Close())
	}
	ticket.news = ticket.pubsub.ChannelWithSubscriptions()
	if err := c.redis.LPush(ctx, queueKey(order.Agent), task).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("push task to %s: %w", queueKey(order.Agent), err), ticket.pubsub.Close())
	}
	return ticket, nil
}

// Close ends the subscription.
func (t *Ticket) Close() error { return t.pubsub.Close() }

// lookInterval is how often the record itself is looked at: news can be lost
// with a connection.
const lookInterval = 2 * time.Second

// finalTime is how long after the record its final news may be heard: they are
// published in one transaction, but on another connection.
const finalTime = 500 * time.Millisecond

// errTicketClosed is the fault of who waits on a closed ticket.
var errTicketClosed = errors.New("the ticket is closed")

// Wait waits for the outcome. progress (may be nil) is told the news. A Redis
// that is away is waited for: the subscription is renewed with its connection,
// and the record is looked at then and every now and then. Wait ends as soon as
// ctx does, and may be called again. [ErrGone] is the end of a task that is not heard of any more.
func (t *Ticket) Wait(ctx context.Context, progress func(worker.Progress)) (Outcome, error) {
	if progress == nil {
		progress = func(worker.Progress) {}
	}
	w := waiting{ticket: t, looked: make(chan record, 1)}
	if t.final != "" {
		w.look(ctx)
	}
	ticker := time.NewTicker(t.pause)
	defer ticker.Stop()
	for !w.done {
		select {
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		case message, open := <-t.news:
			if !open {
				return Outcome{}, errTicketClosed
			}
			w.hear(ctx, message, progress)
		case seen := <-w.looked:
			w.judge(ctx, seen)
		case <-w.overdue:
			w.done = true
		case <-ticker.C:
			w.look(ctx)
		}
	}
	return w.result.outcome, w.result.err
}

// waiting is one call of Wait.
type waiting struct {
	ticket  *Ticket
	looked  chan record      // what a look came to
	looking bool             // one is under way
	again   bool             // and is to be followed by another
	result  record           // found
	gone    int              // how many looks in a row have found the task gone
	overdue <-chan time.Time // the end of patience with the final news
	done    bool
}

// record is what the keys of a task say.
type record struct {
	outcome Outcome
	found   bool
	gone    bool
	err     error
}

// hear takes a message; a subscription means that others may have been missed.
func (w *waiting) hear(ctx context.Context, message any, progress func(worker.Progress)) {
	if _, renewed := message.(*redis.Subscription); renewed {
		w.look(ctx)
		return
	}
	news, ok := parseNews(message)
	if !ok {
		return
	}
	w.gone = 0 // somebody works on it
	progress(news)
	if !isFinal(news.Status) {
		return
	}
	w.ticket.final = news.Status
	if w.result.found {
		w.result.outcome.Status, w.done = news.Status, true
		return
	}
	w.look(ctx)
}

// look reads the record beside the wait, since a Redis that hangs lets nobody go
// for seconds. One that is under way may have come too early.
func (w *waiting) look(ctx context.Context) {
	if w.looking {
		w.again = true
		return
	}
	w.looking, w.again = true, false
	final := w.ticket.final
	go func() { w.looked <- w.ticket.read(ctx, final) }()
}

// judge decides whether a record is the end of the wait.
func (w *waiting) judge(ctx context.Context, seen record) {
	w.looking = false
	if w.gone++; !seen.gone {
		w.gone = 0
	}
	switch {
	case w.result.found:
	case w.gone >= enoughLooks && w.ticket.final == "":
		w.result, w.done = record{err: ErrGone}, true
	case seen.found, isDenial(seen.err):
		w.result = seen
		w.done = seen.err != nil || w.ticket.final != "" || certain(seen.outcome)
		if w.ticket.final != "" {
			w.result.outcome.Status = w.ticket.final
		}
		w.overdue = time.After(finalTime)
	case w.again:
		w.look(ctx)
	}
}

// isDenial tells the errors that no waiting will mend.
func isDenial(err error) bool {
	return slices.ContainsFunc([]string{"NOPERM", "NOAUTH", "WRONGPASS", "WRONGTYPE"}, func(prefix string) bool {
		return redis.HasErrorPrefix(err, prefix)
	})
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

// read reads the outcome's keys. They are not there before the task has ended,
// and not there any more if that was heard (final) of a record that is gone.
func (t *Ticket) read(ctx context.Context, final worker.Status) record {
	pipe := t.client.redis.Pipeline()
	output := pipe.Get(ctx, taskKey(t.order.Agent, t.ID, "output"))
	errput := pipe.Get(ctx, taskKey(t.order.Agent, t.ID, "error"))
	code := pipe.Get(ctx, taskKey(t.order.Agent, t.ID, "exit_code"))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return record{err: fmt.Errorf("read outcome: %w", err)}
	}
	if err := code.Err(); err != nil && !errors.Is(err, redis.Nil) { // the connection broke after the other replies
		return record{err: fmt.Errorf("read outcome: %w", err)}
	}
	if errors.Is(code.Err(), redis.Nil) {
		return record{outcome: replaced(final), found: final != "", gone: final == "" && t.isGone(ctx)}
	}
	exit, err := strconv.Atoi(code.Val())
	if err != nil {
		return record{found: true, err: fmt.Errorf("read exit code: %w", err)}
	}
	outcome := Outcome{Status: final, Output: []byte(output.Val()), Error: []byte(errput.Val()), ExitCode: exit}
	if final == "" {
		outcome.Status = t.likelyStatus(outcome)
	}
	return record{outcome: outcome, found: true}
}

// likelyStatus tells the final status by what is stored, if the news of it was
// missed: status is no key. An exit code of a step's own tells only by the list
// of violations whether validation failed; cancel-task knows no other failure.
func (t *Ticket) likelyStatus(outcome Outcome) worker.Status {
	switch {
	case outcome.ExitCode == 0:
		return worker.Completed
	case outcome.ExitCode == worker.ExitInvalid, t.order.Action == "cancel-task", isViolations(outcome.Output):
		return worker.ValidationFailed
	default:
		return worker.Aborted
	}
}

// certain tells the exit codes that go with one status alone.
func certain(outcome Outcome) bool {
	return outcome.ExitCode == 0 || outcome.ExitCode == worker.ExitInvalid
}

// isViolations tells whether an output is what the protocol has a validation
// that failed print.
func isViolations(output []byte) bool {
	var list []struct{ Field, Parameter, Error *string }
	if json.Unmarshal(output, &list) != nil || len(list) == 0 {
		return false
	}
	for _, violation := range list {
		if violation.Field == nil || violation.Parameter == nil || violation.Error == nil {
			return false
		}
	}
	return true
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
