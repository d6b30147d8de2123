package actions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"cluster-agent/actions"
	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/node"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn/vpntest"
	"cluster-agent/worker"
	"cluster-agent/worker/schema"
	"cluster-agent/worker/workertest"
)

const (
	version = "1.2.3" // of the software, as the tests have it
	agentID = "cluster"
)

func TestMain(m *testing.M) {
	logging.Disable()
	// A pool that was closed while its Redis was off notices within a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// machine is a node below a directory of the test: its Redis is real, and what
// it asks of services and programs is noted and not done.
type machine struct {
	*node.Machine
	redis   *redistest.Server
	client  *redis.Client
	asked   *notes
	network netip.Prefix // for a cluster
}

// address is that of a node in the machine's network.
func (m *machine) address(t *testing.T, id int) string {
	t.Helper()
	address, err := cluster.NodeAddress(m.network, id)
	must(t, err)
	return address.String()
}

// createIn is the input of create-cluster that makes a cluster in a network.
func createIn(network string) string {
	return fmt.Sprintf(`{"network":%q,"endpoint":"node1.example.com:55820"}`, network)
}

// freeNetwork is one that this machine has no route into.
func freeNetwork(t *testing.T) netip.Prefix {
	t.Helper()
	for _, text := range []string{"10.205.4.0/24", "192.168.205.0/24", "172.29.205.0/24", "10.99.205.0/24"} {
		network := netip.MustParsePrefix(text)
		used, err := host.NetworkInUse(network)
		must(t, err)
		if used == "" {
			return network
		}
	}
	t.Fatal("this machine uses all private networks that the test knows")
	return netip.Prefix{}
}

// notes is what a machine was asked for. It is a [host.Manager] and a
// [host.Runner].
type notes struct {
	mu    sync.Mutex
	asked []string
}

var (
	_ host.Manager = (*notes)(nil)
	_ host.Runner  = (*notes)(nil)
)

func (n *notes) note(what ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, strings.Join(what, " "))
	return nil
}

func (n *notes) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.asked, ", ")
}

func (n *notes) Restart(_ context.Context, unit string) error        { return n.note("restart", unit) }
func (n *notes) RequestRestart(_ context.Context, unit string) error { return n.note("ask", unit) }
func (n *notes) Enable(_ context.Context, unit string) error         { return n.note("enable", unit) }
func (n *notes) Reload(context.Context) error                        { return n.note("reload") }
func (n *notes) WGUp(context.Context) error                          { return n.note("wg up") }
func (n *notes) WGDown(context.Context) error                        { return n.note("wg down") }
func (n *notes) WGRestart(context.Context) error                     { return n.note("wg restart") }
func (n *notes) WGEnable(context.Context) error                      { return n.note("wg enable") }

// Run finds no program: there is no firewalld on this machine.
func (n *notes) Run(_ context.Context, name string, args ...string) (string, error) {
	return "", fmt.Errorf("run %s %s: %w", name, strings.Join(args, " "), exec.ErrNotFound)
}

func quietLog() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return logrus.NewEntry(log)
}

// newMachine is node id, prepared and in no cluster yet.
func newMachine(t *testing.T, id int) *machine {
	t.Helper()
	server, asked := redistest.Start(t), &notes{}
	files := host.NewFiles(t.TempDir())
	server.Prepare(files, id)
	client := server.Client()
	must(t, client.Set(t.Context(), "cluster/node_sequence", 1, 0).Err())
	return &machine{
		Machine: &node.Machine{
			Files: files, Manager: asked, Runner: asked, Resolver: vpntest.Names{}, Log: quietLog(),
		},
		redis: server, client: client, asked: asked, network: freeNetwork(t),
	}
}

// run gives a task to a worker with all actions, and returns its result.
func (m *machine) run(t *testing.T, action, data string) worker.Result {
	t.Helper()
	registry, err := worker.NewRegistry(actions.Cluster(m.Machine, version))
	must(t, err)
	memory := workertest.NewMemory(agentID)
	life := memory.Open()
	w, err := worker.New(worker.Config{
		AgentID: agentID, Actions: registry, Queue: life, Board: life, Journal: workertest.NewJournal(),
		Schemas: schema.NewChecker(), Log: quietLog(),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	memory.Push(t, fmt.Sprintf(`{"id":"1","action":%q,"data":%s}`, action, data))
	return memory.Result(t, "1")
}

// verdict is what a task came to, in the words of the contract.
type verdict struct {
	code  int
	field string
	name  string // of the error
	value any
}

// wantInvalid checks that a task was refused with one violation.
func wantInvalid(t *testing.T, result worker.Result, want verdict) {
	t.Helper()
	var violations []worker.Violation
	if err := json.Unmarshal(result.Output, &violations); err != nil || len(violations) != 1 {
		t.Fatalf("output %s: %v; error text: %s", result.Output, err, result.Error)
	}
	got := violations[0]
	if result.ExitCode != want.code || result.Final.Status != worker.ValidationFailed {
		t.Errorf("%s (%d), want %d; error text: %s", result.Final.Status, result.ExitCode, want.code, result.Error)
	}
	if got.Field != want.field || got.Error != want.name || fmt.Sprint(got.Value) != fmt.Sprint(want.value) {
		t.Errorf("violation %+v, want %+v", got, want)
	}
	if len(result.Announcements) != 0 {
		t.Errorf("announced %v", result.Announcements)
	}
	if !strings.Contains(string(result.Error), want.name) {
		t.Errorf("the error text does not name %s: %s", want.name, result.Error)
	}
}

// wantCompleted checks that all went well, and returns the output.
func wantCompleted(t *testing.T, result worker.Result) map[string]any {
	t.Helper()
	if result.ExitCode != 0 || result.Final.Status != worker.Completed {
		t.Fatalf("%s (%d)\n%s\n%s", result.Final.Status, result.ExitCode, result.Output, result.Error)
	}
	var output map[string]any
	if len(result.Output) > 0 {
		must(t, json.Unmarshal(result.Output, &output))
	}
	return output
}

// wantFailed checks that a task was aborted with exit code 1 and words.
func wantFailed(t *testing.T, result worker.Result, words string) {
	t.Helper()
	if result.ExitCode != 1 || result.Final.Status != worker.Aborted || !strings.Contains(string(result.Error), words) {
		t.Errorf("%s (%d), want aborted with %q\n%s\n%s", result.Final.Status, result.ExitCode, words, result.Output, result.Error)
	}
}

// keys lists what the machine's Redis holds.
func (m *machine) keys(t *testing.T) []string {
	t.Helper()
	keys, err := m.client.Keys(t.Context(), "*").Result()
	must(t, err)
	return keys
}

// encode makes JSON of the input of an action.
func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}
