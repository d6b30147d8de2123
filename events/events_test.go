package events_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"cluster-agent/events"
	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/node"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn/vpntest"
	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	// A pool that was closed while its Redis was off notices within a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// source hands out the events it is given.
type source chan worker.Event

// Next implements [worker.EventSource].
func (s source) Next(ctx context.Context) (worker.Event, error) {
	select {
	case event := <-s:
		return event, nil
	case <-ctx.Done():
		return worker.Event{}, ctx.Err()
	}
}

// outcomes passes on the lines of the log that tell how a handler ended. It is
// a [logrus.Hook].
type outcomes chan string

// Levels implements [logrus.Hook].
func (o outcomes) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements [logrus.Hook].
func (o outcomes) Fire(entry *logrus.Entry) error {
	if strings.HasPrefix(entry.Message, "Handler of ") {
		o <- entry.Message
	}
	return nil
}

// agent is a worker with the handlers of a node.
type agent struct {
	events   source
	outcomes outcomes
	applied  atomic.Int64
	failure  error // of applying
	machine  *node.Machine
	redis    *redistest.Server
}

// newAgent runs one until the test ends, beside a Redis of its own.
func newAgent(t *testing.T) *agent {
	t.Helper()
	a := &agent{events: make(source), outcomes: make(outcomes, 16), redis: redistest.Start(t)}
	logger := logrus.New()
	logger.SetOutput(t.Output())
	logger.AddHook(a.outcomes)
	log := logrus.NewEntry(logger)
	files := host.NewFiles(t.TempDir())
	a.redis.Prepare(files, 2)
	a.machine = &node.Machine{
		Files: files, Manager: host.NewSupervised(files, host.Exec{}), Runner: host.Exec{},
		Resolver: vpntest.Names{}, Log: log,
	}
	apply := node.NewFlight(func(context.Context) error {
		a.applied.Add(1)
		return a.failure
	})
	handlers, err := worker.NewRegistry(events.Node(a.machine, apply))
	must(t, err)
	none, err := worker.NewRegistry(nil)
	must(t, err)
	life := workertest.NewMemory("node/2").Open()
	w, err := worker.New(worker.Config{
		AgentID: "node/2", Actions: none, Events: handlers, Queue: life, Board: life, Journal: workertest.NewJournal(), Source: a.events, Log: log,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want sends an event and checks the line by which operators know its outcome.
func (a *agent) want(t *testing.T, from, name, payload, status string, code int, step string) {
	t.Helper()
	a.events <- worker.Event{Source: from, Name: name, Payload: []byte(payload)}
	want := fmt.Sprintf("Handler of %s/event/%s exited with status %q (%d) at step %s", from, name, status, code, step)
	if got := <-a.outcomes; got != want {
		t.Errorf("payload %s:\ngot  %s\nwant %s", payload, got, want)
	}
}

func TestVPNChanged(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	for _, payload := range []string{"{}", "", "no JSON"} { // Redis says what is true
		a.want(t, "cluster", "vpn-changed", payload, "completed", 0, "10apply_routes")
	}
	a.want(t, "node/3", "vpn-changed", "{}", "aborted", 2, "10apply_routes")
	a.want(t, "module/mail1", "vpn-changed", "{}", "aborted", 2, "10apply_routes")
	if n := a.applied.Load(); n != 3 {
		t.Errorf("applied %d times", n)
	}
	a.failure = errors.New("no interface")
	a.want(t, "cluster", "vpn-changed", "{}", "aborted", 1, "10apply_routes")
}

func TestLeaderChangedIsRefused(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	good := `{"node_id":3,"endpoint":"node3.example.com:55820"}`
	for _, from := range []string{"node/3", "module/mail1", "node/3/event/cluster"} {
		a.want(t, from, "leader-changed", good, "aborted", 2, "10switch_leader")
	}
	for _, payload := range []string{
		"", "no JSON", "null", "[]", "{}", `{"node_id":"3"}`, `{"node_id":0,"endpoint":"h:1"}`, `{"node_id":-1}`, `{"node_id":1.5}`,
		`{"node_id":3,"endpoint":"h:1","epoch":-1}`, `{"node_id":3,"endpoint":"h:1","epoch":"7"}`,
	} {
		a.want(t, "cluster", "leader-changed", payload, "aborted", 2, "10switch_leader")
	}
	// What can be read and makes no sense here is a failure.
	a.want(t, "cluster", "leader-changed", good, "aborted", 1, "10switch_leader")
	if n := a.applied.Load(); n != 0 {
		t.Errorf("applied %d times", n)
	}
}

// An announcement that is older than what the records say is refused; one without an
// epoch, from another implementation, is taken for what it says.
func TestLeaderChangedOutOfDate(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	client := a.redis.Client()
	must(t, client.Set(t.Context(), "cluster/network", "10.5.4.0/24", 0).Err())
	must(t, client.HSet(t.Context(), "cluster/environment", "NODE_ID", 1).Err())
	for id, address := range map[string]string{"1": "127.0.0.254", "3": "127.0.0.255"} {
		must(t, client.HSet(t.Context(), "node/"+id+"/vpn", "ip_address", address, "endpoint", "192.0.2.1:55820").Err())
	}
	must(t, cluster.NewStore(client).SetLeadership(t.Context(), cluster.Leadership{Epoch: 4, Node: 1}))
	for epoch, code := range map[string]int{
		`,"epoch":3`: 2, `,"epoch":4`: 2,
		`,"epoch":5`: 1, ``: 1, `,"epoch":0`: 1, // obeyed: node 3 is not there to take over
	} {
		a.want(t, "cluster", "leader-changed", `{"node_id":3,"endpoint":"192.0.2.3:55820"`+epoch+`}`, "aborted", code, "10switch_leader")
	}
}

func TestACLChanged(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	leader := redistest.Start(t)
	must(t, leader.Client().SAdd(t.Context(), "cluster/acls", "user module/mail1 on nopass +@read").Err())
	client := a.redis.Client()
	known := func() bool {
		return client.Do(t.Context(), "ACL", "GETUSER", "module/mail1").Err() == nil
	}
	a.want(t, "cluster", "acl-changed", "{}", "completed", 0, "10adopt_users") // a master: nothing to adopt
	a.redis.Follow(leader)
	a.want(t, "node/3", "acl-changed", "{}", "aborted", 2, "10adopt_users")
	if known() {
		t.Error("users have been adopted on the word of a node")
	}
	a.want(t, "cluster", "acl-changed", "{}", "completed", 0, "10adopt_users")
	if !known() {
		t.Error("users have not been adopted")
	}
	a.redis.Kill()
	a.want(t, "cluster", "acl-changed", "{}", "aborted", 1, "10adopt_users")
}
