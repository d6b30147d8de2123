package protocol

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/worker/redisq/redistest"
)

// seed repeats a stress test: go test -run TestStress -args -seed N.
var seed = flag.Uint64("seed", rand.Uint64(), "of the stress tests")

const (
	stressLanes = 4
	stressStops = 200 // of all lanes
)

// TestStress starts the agent and ends it at random moments, two hundred times,
// while tasks of many kinds come.
//
// Rule (section 6): "SIGUSR1: graceful."
//
// Rule (section 6): "SIGTERM: within one second the process has died by that very signal"
//
// Rule (section 2): "set together at the end, TTL 8 h"
func TestStress(t *testing.T) { //nolint:tparallel // the lanes are, see stress
	t.Parallel()
	stress(t, func(l *lane) life { return &processLife{l, l.n.newest(), l.n.start(l.env())} })
}

// stress runs the lanes, each an agent of its own.
func stress(t *testing.T, begin func(*lane) life) {
	t.Helper()
	t.Logf("to repeat it: -args -seed %d", *seed)
	server := redistest.Start(t)
	rounds := stressStops / stressLanes
	if testing.Short() {
		rounds = 5
	}
	t.Run("lanes", func(t *testing.T) {
		for i := range uint64(stressLanes) {
			t.Run(strconv.FormatUint(i, 10), func(t *testing.T) {
				t.Parallel()
				l := newLane(t, server, fmt.Sprintf("module/s%d", i), *seed+i, begin)
				l.run(rounds)
				l.wantInTime()
			})
		}
	})
	wantLives(t, server)
}

// env is the environment of the lane's agents, and with it of their steps.
func (l *lane) env() map[string]string {
	name, value, _ := strings.Cut(l.mark, "=")
	return map[string]string{name: value, "GATE": l.flood.gate.path, "MAX_CONCURRENCY": "4", "AGENT_POLLING_INTERVAL": "1s"}
}

// processLife is an agent as a process.
type processLife struct {
	lane   *lane
	before int64 // connections that others have had
	p      *process
}

// ready implements [life]: a process that has hardly begun knows no SIGUSR1 yet.
func (l *processLife) ready() {
	l.p.t.Helper()
	until(l.p.t, "the agent connects", func() bool { return l.lane.n.connectedSince(l.before) })
}

// drain implements [life].
func (l *processLife) drain() { l.p.signal(syscall.SIGUSR1) }

// stop implements [life].
func (l *processLife) stop() { l.p.signal(syscall.SIGTERM) }

// kill implements [life].
func (l *processLife) kill() { l.p.signal(syscall.SIGKILL) }

// endings implements [life].
func (*processLife) endings() []ending { return []ending{drained, stopped, both, killed} }

// wantEnd implements [life].
func (l *processLife) wantEnd(how ending) {
	l.p.t.Helper()
	took, signal, code := l.p.end()
	wentByItself := signal == 0 && code == 0
	switch {
	case how == drained && wentByItself:
	case how == both && wentByItself: // before the second signal came
	case (how == stopped || how == both) && signal == syscall.SIGTERM:
		l.lane.took = append(l.lane.took, took)
	case how == killed && signal == syscall.SIGKILL:
	default:
		l.p.t.Errorf("ended (%d) after %v with signal %d, exit code %d\n%s", how, took, signal, code, l.p.stderr)
	}
}

// wantInTime wants agents to have died of SIGTERM within a second. A machine
// that is busy with all the lanes may make a few of them late, by a little.
func (l *lane) wantInTime() {
	l.t.Helper()
	if len(l.took) == 0 {
		return
	}
	slices.Sort(l.took)
	most, last := l.took[len(l.took)*9/10], l.took[len(l.took)-1]
	l.t.Logf("of %d that were stopped nine in ten took at most %v, the last %v", len(l.took), most, last)
	if most > time.Second || last > 2*time.Second {
		l.t.Errorf("dying of SIGTERM took %v", l.took)
	}
}
