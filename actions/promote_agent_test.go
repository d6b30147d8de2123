package actions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cluster-agent/actions"
	"cluster-agent/internal/redistest"
	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/schema"
	"cluster-agent/worker/workertest"
)

// nodeAgent runs the agent of a node, a real one, on a leader's Redis, until the test
// ends or stop is called. One without compiled-in actions is as those of other implementations.
func nodeAgent(t *testing.T, leader *machine, id int, compiled []worker.Action) (stop func()) {
	t.Helper()
	name := fmt.Sprintf("node/%d", id)
	options := redisq.Options{
		Agent: name, Instance: "test", PollingInterval: 200 * time.Millisecond, Log: quietLog(),
		Server:      redisq.Server{Address: leader.redis.Address(), User: "cluster", Password: redistest.Password, Name: name},
		Environment: func() (map[string]string, error) { return map[string]string{}, nil },
	}
	tasks, presence := redisq.NewTasks(options), redisq.NewPresence(options)
	registry, err := worker.NewRegistry(compiled)
	must(t, err)
	w, err := worker.New(worker.Config{
		AgentID: name, Actions: registry, Queue: tasks, Board: tasks, Journal: workertest.NewJournal(),
		Schemas: schema.NewChecker(), Log: quietLog(),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { presence.Run(ctx) })
	parts.Go(func() { w.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
		if err := tasks.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// newPair is a leader, and a worker whose Redis is its replica and whose agent works for
// it: node 2.
func newPair(t *testing.T) (leader, candidate *machine) {
	t.Helper()
	leader, candidate = newLeader(t), newMachine(t, 2)
	wantCompleted(t, leader.run(t, "add-node", encode(t, newRequest(t))))
	// The replica connects from where it listens, and not through a VPN.
	must(t, leader.client.HSet(t.Context(), "node/2/vpn", "ip_address", candidate.redis.Addr.String()).Err())
	candidate.redis.Follow(leader.redis)
	nodeAgent(t, leader, 2, actions.Node(candidate.Machine))
	return leader, candidate
}

// verdict of a dry run.
type finding struct {
	Name, Error, Detail string
	OK, Verified        bool
}

// dryRun makes one, and returns what it found by the names of the checks.
func dryRun(t *testing.T, leader *machine, data string) map[string]finding {
	t.Helper()
	result := leader.run(t, "promote-node", data)
	if result.ExitCode != 0 || result.Final.Status != worker.Completed || len(result.Announcements) != 0 {
		t.Fatalf("%s (%d), announced %v\n%s", result.Final.Status, result.ExitCode, result.Announcements, result.Error)
	}
	var list []finding
	must(t, json.Unmarshal(result.Output, &list))
	found := map[string]finding{}
	order := make([]string, 0, len(list))
	for _, f := range list {
		found[f.Name] = f
		order = append(order, f.Name)
	}
	if got := strings.Join(order, " "); got != "leader node endpoint agent replica users links" {
		t.Errorf("checks: %s", got)
	}
	return found
}
