package redisq

import (
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
)

// Options says how an agent works with its Redis.
type Options struct {
	Agent           string        // agent id
	Server          Server        // where tasks come from and results go
	PollingInterval time.Duration // longest wait of one BLMOVE, and the heartbeat's period
	// Environment reads the variables that are mirrored to <agent id>/environment.
	Environment func() (map[string]string, error)
	Log         *logrus.Entry
}

// Tasks is an agent's queue and its board in one Redis: a task leaves the list
// in progress in the very transaction that stores its result.
type Tasks struct {
	opt    Options
	health *health
	fetch  *link   // waits in BLMOVE
	outbox *outbox // everything that is written

	mu      sync.Mutex
	held    map[string]int // payloads handed out and not finished
	strays  []string       // payloads in progress that nobody was handed
	check   checkMode      // what to do about tasks in progress before the next fetch
	fetched int            // how many tasks the last fetch brought, at least 1
}

var (
	_ worker.Queue = (*Tasks)(nil)
	_ worker.Board = (*Tasks)(nil)
)

// checkMode says what is known of tasks that stand in the list in progress and
// that nobody works on.
type checkMode int

const (
	noCheck    checkMode = iota
	runStrays            // only the reply was lost: they never started
	settleThem           // another life or another machine may have started them
)

// NewTasks returns the queue and board of an agent, to be closed by the caller.
// Nothing is dialled yet.
func NewTasks(opt Options) *Tasks {
	health := newHealth("Redis at "+opt.Server.Address, opt.Log)
	fetch := &link{server: opt.Server, size: 1}
	fetch.server.replyTime = opt.PollingInterval + replyTime
	return &Tasks{
		opt: opt, health: health, fetch: fetch, fetched: 1,
		outbox: newOutbox(&link{server: opt.Server, size: outboxConnections}, health, opt.PollingInterval),
		held:   map[string]int{},
		check:  settleThem,
	}
}

// outboxConnections are one for the batches and one to give tasks back.
const outboxConnections = 2

// Reconnect drops all connections: the next ones resolve the address again.
func (t *Tasks) Reconnect() {
	t.fetch.drop(nil)
	t.outbox.link.drop(nil)
}

// Close ends all connections.
func (t *Tasks) Close() error {
	t.outbox.end()
	return errors.Join(t.fetch.close(), t.outbox.link.close())
}

// retryPause is how long to wait after a failure: short while a connection is
// down, longer while Redis is a replica, which a worker's may be for months.
func retryPause(err error, interval time.Duration) time.Duration {
	const short, long = 100 * time.Millisecond, 500 * time.Millisecond
	if redis.IsReadOnlyError(err) {
		return min(long, interval/2)
	}
	return min(short, interval)
}

func (t *Tasks) release(payload string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[payload]--; t.held[payload] <= 0 {
		delete(t.held, payload)
	}
}

// expire is the life of a task's context without a heartbeat.
func (t *Tasks) expire() time.Duration { return contextBeats * t.opt.PollingInterval }

func (t *Tasks) key(task worker.Task, part string) string {
	return taskKey(t.opt.Agent, task.ID, part)
}

func (t *Tasks) channel(task worker.Task) string {
	return progressChannel(t.opt.Agent, task.ID)
}
