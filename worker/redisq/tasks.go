package redisq

import (
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/worker"
)

// ErrNotMirrored says that the environment is not to be mirrored now.
var ErrNotMirrored = errors.New("not mirrored")

// Options says how an agent works with its Redis.
type Options struct {
	Agent           string        // agent id
	Instance        string        // tells this agent from others of that id, and stays over its lives
	Server          Server        // where tasks come from and results go
	PollingInterval time.Duration // longest wait of one BLMOVE, and the heartbeat's period
	// Environment reads the variables that are mirrored to <agent id>/environment. [ErrNotMirrored]
	// leaves that as it is.
	Environment func() (map[string]string, error)
	// Ended are tasks that ended in earlier lives: they are not run again, should Redis have lost sight of that.
	Ended []worker.Ended
	Log   *logrus.Entry
}

// Tasks is an agent's queue and its board in one Redis: a task leaves the list
// in progress in the very transaction that stores its result.
type Tasks struct {
	opt    Options
	own    string // the list of this instance's tasks in progress
	health *health
	fetch  kept    // waits in BLMOVE
	looks  *link   // looks at lists by the way
	outbox *outbox // everything that is written

	misfits misfits // keys that should be lists

	// moving is held while tasks are moved one by one, and while the list in
	// progress is compared with what is held.
	moving sync.Mutex
	// fetching is held while a fetch is under way, which must not bring what is moved without a watch.
	fetching sync.Mutex

	mu      sync.Mutex
	held    map[string]holding // by the payloads that were handed out and not finished
	strays  []stray            // payloads in progress that nobody was handed yet
	suspect bool               // there may be more of them in Redis
	looked  int64              // the connection over which they were looked for the last time; 0: never
	again   time.Time          // when they are to be looked for once more; zero: when there is a reason
	fetched int                // how many tasks the last fetch brought, at least 1
	ahead   place              // how far the queue was looked through
	ended   ended              // what the last tasks came to
	foreign map[string]string  // lists of tasks that are not this agent's, by key
}

// holding is a payload that was handed out.
type holding struct {
	count      int       // equal payloads are different tasks
	connection int64     // over which it was taken
	epoch      int64     // before it was taken
	written    int64     // over which connection tasks came when its context was written anew; 0: it was not
	shown      bool      // others were told of it
	alive      time.Time // the last sign of life that others got of it
	lapsed     bool      // they had none for so long that they may have settled it
}

// stray is a payload in progress that is to be handed out.
type stray struct {
	payload string
	list    string // where it stands
	fetched bool   // just now, from the queue
	epoch   int64  // before it was found there; 0: of another instance
	// ends is when the context of one of another instance runs out; zero: there is none.
	ends time.Time
}

var (
	_ worker.Queue = (*Tasks)(nil)
	_ worker.Board = (*Tasks)(nil)
)

// NewTasks returns the queue and board of an agent, to be closed by the caller.
// Nothing is dialled yet.
func NewTasks(opt Options) *Tasks {
	health := newHealth("Redis at "+opt.Server.Address, opt.Log)
	fetch := &link{server: opt.Server, size: 1}
	fetch.server.replyTime = opt.PollingInterval + replyTime
	t := &Tasks{
		opt: opt, own: inProgressKey(opt.Agent, opt.Instance), health: health, fetch: kept{link: fetch}, fetched: 1, suspect: true,
		looks:   &link{server: opt.Server, size: lookConnections},
		outbox:  newOutbox(&link{server: opt.Server, size: outboxConnections}, health, opt.PollingInterval),
		misfits: misfits{log: opt.Log, told: map[string]bool{}},
		held:    map[string]holding{},
		foreign: map[string]string{},
		ended:   ended{tasks: map[string]past{}},
	}
	t.ended.addEarlier(opt.Ended)
	return t
}

// outboxConnections are one for the batches and one to give tasks back;
// lookConnections one for what other instances left, and one for the engine's own actions.
const (
	outboxConnections = 2
	lookConnections   = 2
)

// Reconnect drops all connections: the next ones resolve the address again.
func (t *Tasks) Reconnect() {
	t.fetch.drop(nil)
	t.looks.drop(nil)
	t.outbox.link.drop(nil)
}

// Close ends all connections.
func (t *Tasks) Close() error {
	t.outbox.end()
	return errors.Join(t.fetch.close(), t.looks.close(), t.outbox.link.close())
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

// expire is the life of a task's context without a heartbeat.
func (t *Tasks) expire() time.Duration { return contextBeats * t.opt.PollingInterval }

func (t *Tasks) key(task worker.Task, part string) string {
	return taskKey(t.opt.Agent, task.ID, part)
}

func (t *Tasks) channel(task worker.Task) string {
	return progressChannel(t.opt.Agent, task.ID)
}
