package redisq_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
	"cluster-agent/worker/workertest"
)

// go-redis tries a dead address again in a goroutine of its own, which notices
// within a second that its client was closed.
func TestMain(m *testing.M) {
	redistest.Quiet()
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newLog is a log that can be read.
func newLog() (*logrus.Entry, *test.Hook) {
	log, hook := test.NewNullLogger()
	log.SetOutput(io.Discard)
	return logrus.NewEntry(log), hook
}

// lines are the messages of a log at level warning and above, and at info.
func lines(hook *test.Hook) []string {
	entries := hook.AllEntries()
	messages := make([]string, 0, len(entries))
	for _, entry := range entries {
		messages = append(messages, entry.Message)
	}
	return messages
}

const agent = "module/m1"

// instance tells the agent under test from others of its id.
const (
	instance   = "one"
	inProgress = agent + "/tasks/in-progress/" + instance
)

// options are those of an agent at address.
func options(address string) redisq.Options {
	log, _ := newLog()
	return redisq.Options{
		Agent: agent, Instance: instance, Server: redisq.Server{Address: address, Name: agent},
		PollingInterval: time.Second, Log: log,
	}
}

// open begins a life that ends with the test.
func open(t *testing.T, opt redisq.Options) *redisq.Tasks {
	t.Helper()
	tasks := redisq.NewTasks(opt)
	t.Cleanup(func() {
		if err := tasks.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return tasks
}

// remote is the side of clients, spoken with Redis itself.
type remote struct{ server *redistest.Server }

var _ workertest.Remote = remote{}

// Push implements [workertest.Remote].
func (r remote) Push(t *testing.T, payloads ...string) {
	t.Helper()
	for _, payload := range payloads {
		r.server.Do(t, "lpush", agent+"/tasks", payload)
	}
}

// Strand is for [workertest.Fixture].
func (r remote) Strand(t *testing.T, payloads ...string) {
	t.Helper()
	for _, payload := range payloads {
		r.server.Do(t, "lpush", inProgress, payload)
	}
}

// Lists implements [workertest.Remote].
func (r remote) Lists(t *testing.T) workertest.Lists {
	t.Helper()
	return workertest.Lists{Waiting: r.list(t, "/tasks"), InProgress: r.list(t, "/tasks/in-progress/"+instance)}
}

func (r remote) list(t *testing.T, key string) []string {
	t.Helper()
	payloads, err := r.server.Admin().LRange(t.Context(), agent+key, 0, -1).Result()
	must(t, err)
	slices.Reverse(payloads)
	return payloads
}

// Record implements [workertest.Remote].
func (r remote) Record(t *testing.T, id string) map[string]string {
	t.Helper()
	record := map[string]string{}
	prefix := "task/" + agent + "/" + id + "/"
	keys, err := r.server.Admin().Keys(t.Context(), prefix+"*").Result()
	must(t, err)
	for _, key := range keys {
		text, err := r.server.Admin().Get(t.Context(), key).Result()
		must(t, err)
		record[strings.TrimPrefix(key, prefix)] = text
	}
	return record
}

// Watch implements [workertest.Remote].
func (r remote) Watch(t *testing.T) func() workertest.News {
	t.Helper()
	news := r.server.Admin().PSubscribe(t.Context(), "*")
	t.Cleanup(func() { must(t, news.Close()) })
	_, err := news.Receive(t.Context())
	must(t, err)
	return func() workertest.News {
		t.Helper()
		message, err := news.ReceiveMessage(t.Context())
		must(t, err)
		return workertest.News{Channel: message.Channel, Payload: message.Payload}
	}
}
