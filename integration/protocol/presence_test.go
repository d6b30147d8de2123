package protocol

import (
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/wait"
	"cluster-agent/worker/redisq/redistest"
)

// TestPresence looks at several agents at once, since it takes its time.
func TestPresence(t *testing.T) { //nolint:tparallel // its parts come one after another
	t.Parallel()
	settings := []map[string]string{nil, {"MAX_CONCURRENCY": "1"}, {"AGENT_POLLING_INTERVAL": "1h"}}
	nodes, monitors, gates := make([]*node, len(settings)), make([]*redistest.Monitor, len(settings)), make([]*gate, len(settings))
	for i, env := range settings {
		n := newNode(t)
		nodes[i], monitors[i], gates[i] = n, n.redis.Monitor(t), n.gate()
		n.step("wait/10", ready+gates[i].wait())
		n.start(env)
		until(t, "the agent is seen", n.alive)
	}
	// Rule (section 1): "there must be a client whose `name` is the agent id and whose `idle`
	// is at most 8 seconds; the cluster status page also wants its `cmd` to be `brpop`."
	t.Run("idle", func(t *testing.T) { //nolint:paralleltest // the next one looks at what was sent meanwhile
		stay(t, nodes, time.Second)
		for _, n := range nodes {
			working := n.watch("1")
			n.push(map[string]any{"id": "1", "action": "wait"})
			working(`"progress":10`)
		}
		stay(t, nodes, 9*time.Second) // more than 8: one BRPOP has to follow another
		for _, g := range gates {
			g.open()
		}
	})
	// Rule (section 1): "So one connection with that name has to sit in `BRPOP … 5` whatever else is used
	// to fetch tasks."
	t.Run("BRPOP 5", func(t *testing.T) { //nolint:paralleltest // looks at what was sent meanwhile
		for _, monitor := range monitors {
			wantWaits(t, monitor.Until(times(2, begins("brpop"))))
		}
	})
}

// stay wants agents to be seen all the time. In the moment between two BRPOPs a
// connection may be shown with another command, never for longer.
func stay(t *testing.T, nodes []*node, period time.Duration) {
	t.Helper()
	const moment = 50 * time.Millisecond
	for began := time.Now(); time.Since(began) < period; wait.For(t.Context(), moment) {
		for i, n := range nodes {
			if !n.alive() && wait.For(t.Context(), moment) && !n.alive() {
				t.Fatalf("after %v agent %d is not seen any more", time.Since(began), i)
			}
		}
	}
}

// wantWaits wants one connection to wait again and again.
func wantWaits(t *testing.T, seen []redistest.Command) {
	t.Helper()
	waits := allSpoken(seen, begins("brpop"))
	if waits[0] != waits[1] || !strings.HasPrefix(waits[0], "brpop "+agentID+"/") || !strings.HasSuffix(waits[0], " 5") {
		t.Errorf("it waits with %q", waits)
	}
	if first, second := brpopClients(seen); first != second {
		t.Errorf("first %s waits, then %s", first, second)
	}
}

func brpopClients(seen []redistest.Command) (first, second string) {
	for _, command := range seen {
		if begins("brpop")(command) {
			first, second = second, command.Client
		}
	}
	return first, second
}

// Rule (section 1): "Others decide that an agent is online by reading `CLIENT LIST
// TYPE normal`"
func TestPresenceComesBack(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(n *node){
		"after a restart of Redis": func(n *node) { n.redis.Stop(n.t); n.redis.Restart(n.t) },
		"after a cut connection":   func(n *node) { n.redis.Do(n.t, "client", "kill", "type", "normal", "skipme", "yes") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.start(nil)
			until(t, "the agent is seen", n.alive)
			trouble(n)
			until(t, "the agent is seen again", n.alive)
		})
	}
}

// Rule (section 1): "Others decide that an agent is online by reading `CLIENT LIST
// TYPE normal`"
func TestPresenceEnds(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	until(t, "the agent is seen", n.alive)
	p.drain()
	until(t, "the agent is not seen any more", func() bool {
		for _, l := range links(t, n.redis, "normal") {
			if l["name"] == agentID {
				return false
			}
		}
		return true
	})
}
