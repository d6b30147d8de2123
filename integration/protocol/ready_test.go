package protocol

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/testbed"
	"cluster-agent/worker/redisq/redistest"
)

// Rule (section 6): "The agent is ready fast: from start to the first command in Redis, and to the subscription of events, under 0.3 s."
func TestReadyFast(t *testing.T) {
	t.Parallel()
	const tries = 5
	limit := 300 * time.Millisecond
	if testbed.Race { // which the agent has been built with, too: it is several times slower
		limit *= 10
	}
	for _, id := range []string{"module/m1", "cluster", "node/1"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			noMember(t)
			n := newNodeOf(t, id)
			monitor := n.redis.Monitor(t)
			first, subscribed := make([]time.Duration, tries), make([]time.Duration, tries)
			for i := range tries {
				first[i], subscribed[i] = n.readyAfter(monitor)
			}
			t.Logf("first command after %v, subscription after %v", first, subscribed)
			if slices.Min(first) > limit || slices.Min(subscribed) > limit {
				t.Errorf("first command after %v, subscription after %v, want %v", first, subscribed, limit)
			}
		})
	}
}

// readyAfter starts an agent, and ends it again.
func (n *node) readyAfter(monitor *redistest.Monitor) (first, subscribed time.Duration) {
	n.t.Helper()
	began := time.Now()
	p := n.start(nil)
	has := func(words string) func(redistest.Command) bool {
		return func(c redistest.Command) bool { return strings.HasPrefix(spoken(c), words) }
	}
	seen := monitor.Until(has("client setname " + n.id))
	first = time.Since(began)
	if !slices.ContainsFunc(seen, has("psubscribe")) {
		monitor.Until(has("psubscribe"))
	}
	subscribed = time.Since(began)
	p.drain()
	n.redis.Do(n.t, "echo", "next")
	monitor.Until(has("echo next"))
	return first, subscribed
}
