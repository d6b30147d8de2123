package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is a worker on a queue and a board in memory, inside of a synctest
// bubble: time passes only when all wait.
type engine struct {
	*workertest.Memory
	t       *testing.T
	cfg     worker.Config
	worker  *worker.Worker
	journal *workertest.Journal
	events  *workertest.Events
	log     *test.Hook
	stderr  *stderr
	ended   chan struct{}
	cancel  context.CancelFunc
}

// longestStep is how long a step goes on in these tests, if it does not wait for something else.
const longestStep = 2 * time.Hour

// start runs a worker with these actions until the test ends.
func start(t *testing.T, actions []worker.Action, adjust ...func(*worker.Config)) *engine {
	t.Helper()
	e := prepare(t, actions, adjust...)
	e.run()
	return e
}

// prepare makes a worker that does not run yet.
func prepare(t *testing.T, actions []worker.Action, adjust ...func(*worker.Config)) *engine {
	t.Helper()
	registry, err := worker.NewRegistry(actions)
	must(t, err)
	logger, hook := test.NewNullLogger()
	e := &engine{
		Memory: workertest.NewMemory("module/m1"), t: t, log: hook, stderr: &stderr{},
		events: workertest.NewEvents(), journal: workertest.NewJournal(), ended: make(chan struct{}),
	}
	instance := e.Open()
	cfg := worker.Config{
		AgentID: "module/m1", Actions: registry, Queue: instance, Board: instance, Journal: e.journal, Source: e.events,
		Log: logrus.NewEntry(logger), Stderr: e.stderr, Schemas: words{},
	}
	for _, change := range adjust {
		change(&cfg)
	}
	e.cfg = cfg
	e.worker, err = worker.New(cfg)
	must(t, err)
	return e
}

func (e *engine) run() {
	ctx, cancel := context.WithCancel(e.t.Context())
	e.cancel = cancel
	go func() {
		defer close(e.ended)
		e.worker.Run(ctx)
	}()
	e.t.Cleanup(func() {
		e.stop()
		time.Sleep(longestStep) // of those that were given up
	})
}

// stop ends the worker as SIGTERM does, and waits for it.
func (e *engine) stop() {
	e.cancel()
	<-e.ended
}

// nextLife has what was killed, or was stopped, begin again; its Redis is well then.
func (e *engine) nextLife() {
	e.t.Helper()
	e.journal.Crash(false)
	life := e.Open()
	e.cfg.Queue, e.cfg.Board = life, life
	next, err := worker.New(e.cfg)
	must(e.t, err)
	e.ended, e.worker = make(chan struct{}), next
	e.run()
}

// push gives a task without data.
func (e *engine) push(id, action string) { e.pushData(id, action, "null") }

func (e *engine) pushData(id, action, data string) {
	e.Push(e.t, fmt.Sprintf(`{"id":%q,"action":%q,"data":%s}`, id, action, data))
}

// do gives a task and waits for its result.
func (e *engine) do(action string) worker.Result {
	e.t.Helper()
	e.push("1", action)
	return e.Result(e.t, "1")
}

// percents are what has been told of a task, heartbeats left out.
func (e *engine) percents(id string) []int {
	var percents []int
	for _, told := range e.Told(id) {
		if !told.Heartbeat {
			percents = append(percents, told.Percent)
		}
	}
	return percents
}

// lines are the log's messages.
func (e *engine) lines() []string {
	entries := e.log.AllEntries()
	messages := make([]string, 0, len(entries))
	for _, entry := range entries {
		messages = append(messages, entry.Message)
	}
	return messages
}

// wantLine wants a line of the log that holds some words.
func (e *engine) wantLine(words string) {
	e.t.Helper()
	if !slices.ContainsFunc(e.lines(), func(line string) bool { return strings.Contains(line, words) }) {
		e.t.Errorf("no line of the log has %q: %q", words, e.lines())
	}
}

// running tells whether the worker goes on.
func (e *engine) running() bool {
	select {
	case <-e.ended:
		return false
	default:
		return true
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stderr is the agent's.
type stderr struct {
	mu   sync.Mutex
	text bytes.Buffer
	err  error // what writing fails with
}

// Write implements [io.Writer].
func (s *stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(p)
}

func (s *stderr) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// words is a schema checker: a schema is a word, which the document has to hold.
type words struct{}

var errBadSchema = errors.New("no such schema")

// Check implements [worker.SchemaChecker].
func (words) Check(schema worker.Schema, document []byte) (*worker.Violations, error) {
	switch {
	case string(schema.Source) == "broken":
		return nil, errBadSchema
	case bytes.Contains(document, schema.Source):
		return nil, nil //nolint:nilnil // the contract of SchemaChecker
	}
	return &worker.Violations{JSON: []byte(`[{"field":"x"}]`), Text: "[x: it is not there]"}, nil
}

func schema(word string) worker.Schema {
	return worker.Schema{Name: "schema " + word, Source: []byte(word)}
}

// run is what a step does.
type run = func(context.Context, *worker.Call) error

// action has steps with the names a, b, c…
func action(name string, steps ...run) worker.Action {
	made := worker.Action{Name: name}
	for i, step := range steps {
		made.Steps = append(made.Steps, worker.Step{Name: string(rune('a' + i)), Run: step})
	}
	return made
}

func fine(context.Context, *worker.Call) error { return nil }

func says(text string) run {
	return func(_ context.Context, c *worker.Call) error {
		_, err := c.Stdout().Write([]byte(text))
		return err
	}
}

func fails(err error) run {
	return func(context.Context, *worker.Call) error { return err }
}

// waits is a step that goes on when gate is closed, whatever else happens.
func waits(gate <-chan struct{}) run {
	return func(context.Context, *worker.Call) error {
		<-gate
		return nil
	}
}

// obeys is a step that goes on until its context ends.
func obeys(ctx context.Context, _ *worker.Call) error {
	<-ctx.Done()
	return ctx.Err()
}
