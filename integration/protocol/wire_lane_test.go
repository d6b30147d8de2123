package protocol

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"cluster-agent/internal/wait"
	"cluster-agent/worker/redisq/redistest"
)

// ending is a way to end an agent.
type ending int

const (
	drained ending = iota // SIGUSR1
	stopped               // SIGTERM
	both                  // the one and, before it has worked, the other
	killed                // SIGKILL
)

// life is an agent that runs, as a process or within the test.
type life interface {
	// ready waits until it heeds SIGUSR1.
	ready()
	drain()
	stop()
	kill()
	// endings are those that can be had.
	endings() []ending
	// wantEnd waits until it has ended, and wants it to have done so as told.
	wantEnd(how ending)
}

// lane starts and ends one agent again and again, under load.
type lane struct {
	t     *testing.T
	n     *node
	flood *flood
	rand  *rand.Rand
	mark  string // of all processes of the lane, a line of their environment
	begin func(l *lane) life
	took  []time.Duration // how long it took agents to die of SIGTERM
}

// newLane is an agent on a server that others use, too.
func newLane(t *testing.T, server *redistest.Server, id string, seed uint64, begin func(*lane) life) *lane {
	t.Helper()
	n := &node{t: t, id: id, redis: server, dir: t.TempDir(), terse: true}
	n.file("state/environment", 0o644, "A=1\n")
	l := &lane{
		t: t, n: n, flood: newFlood(n, seed), rand: rand.New(rand.NewPCG(seed, 1)),
		mark: "LANE=" + n.dir, begin: begin,
	}
	t.Cleanup(func() { killAll(t, l.leftBehind()) })
	return l
}

// leftBehind are the processes of the lane.
func (l *lane) leftBehind() []int {
	l.t.Helper()
	return processes(l.t, marked(l.mark))
}

// run makes the rounds, then a last one in which all that is left is done.
func (l *lane) run(rounds int) {
	l.t.Helper()
	counted := l.n.watchFinals()
	ctx, calm := context.WithCancel(l.t.Context())
	defer calm()
	var pushing sync.WaitGroup
	pushing.Go(func() { l.flood.run(ctx) })
	for range rounds {
		l.round()
	}
	calm()
	pushing.Wait()
	must(l.t, l.flood.failed)
	l.flood.gate.open()
	last := l.begin(l)
	last.ready()
	until(l.t, "all tasks are done", l.flood.empty)
	last.drain()
	last.wantEnd(drained)
	l.flood.wantAll(l.t, counted)
}

// round begins a life and ends it at a random moment.
func (l *lane) round() {
	l.t.Helper()
	agent := l.begin(l)
	how := agent.endings()[l.rand.IntN(len(agent.endings()))]
	// What waits at the gate while the agent is stopped is ended by TERM alone.
	if how == stopped || how == both {
		l.flood.gate.close()
	} else {
		l.flood.gate.open()
	}
	if how == drained || how == both {
		agent.ready()
	}
	moment := time.Duration(l.rand.IntN(150)) * time.Millisecond
	wait.For(l.t.Context(), moment)
	l.end(agent, how, moment/8)
	agent.wantEnd(how)
	l.flood.pause(false)
	until(l.t, "no step is left behind", func() bool { return len(l.leftBehind()) == 0 })
}

// end tells the agent to end; between two signals it has a moment.
func (l *lane) end(agent life, how ending, moment time.Duration) {
	if how == drained || how == both {
		l.flood.pause(true) // or it would go on for ever
		agent.drain()
	}
	switch how {
	case both:
		wait.For(l.t.Context(), moment)
		agent.stop()
	case stopped:
		agent.stop()
	case killed:
		agent.kill()
	case drained:
	}
}

// wantLives wants every key in a Redis to be one that goes by itself, but the
// copies of environments.
func wantLives(t *testing.T, server *redistest.Server) {
	t.Helper()
	keys := server.Admin().Scan(t.Context(), 0, "*", 1000).Iterator()
	count := 0
	for keys.Next(t.Context()) {
		count++
		ttl, err := server.Admin().TTL(t.Context(), keys.Val()).Result()
		must(t, err)
		if ttl == -1 && !strings.HasSuffix(keys.Val(), "/environment") {
			t.Errorf("key %s stays for ever", keys.Val())
		}
	}
	must(t, keys.Err())
	if count == 0 {
		t.Error("there are no keys at all")
	}
}
