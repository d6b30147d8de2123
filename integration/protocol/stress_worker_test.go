package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"cluster-agent/worker"
	state "cluster-agent/worker/journal"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/schema"
	"cluster-agent/worker/script"
)

// TestStressWorker is the same with the agent's parts within the test, where
// each goroutine that is left over is seen.
//
// Rule (section 6): "SIGUSR1: graceful."
func TestStressWorker(t *testing.T) { //nolint:paralleltest // goroutines of other tests would be taken for its own
	before := goleak.IgnoreCurrent()
	stress(t, func(l *lane) life { return newWorkerLife(l) })
	// go-redis tries a dead address again in a goroutine of its own, which notices
	// within a second that its client was closed.
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// workerLife is a worker with all that an agent connects it to.
type workerLife struct {
	t       *testing.T
	tasks   *redisq.Tasks
	journal *state.Journal
	worker  *worker.Worker
	cancel  context.CancelFunc
	ended   chan struct{}
}

func newWorkerLife(l *lane) *workerLife {
	l.t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	entry := logrus.NewEntry(log)
	environment := filepath.Join(l.n.dir, "state", "environment")
	notes, err := freeJournal(filepath.Join(l.n.dir, "state", "journal"))
	must(l.t, err)
	options := redisq.Options{
		Agent: l.n.id, Instance: notes.Instance(), Server: redisq.Server{Address: l.n.redis.Address, Name: l.n.id}, PollingInterval: time.Second, Log: entry,
		Environment: func() (map[string]string, error) { return variablesOf(environment) },
	}
	runner := &script.Runner{Environ: l.n.environment(l.env()), Environment: environment}
	events := redisq.NewEvents(options.Server, time.Second, nil, entry)
	life := &workerLife{t: l.t, journal: notes, tasks: redisq.NewTasks(options), ended: make(chan struct{})}
	life.worker, err = worker.New(worker.Config{
		AgentID: l.n.id, Actions: l.registry("actions", runner), Events: l.registry("events", runner),
		Queue: life.tasks, Board: life.tasks, Journal: notes, Source: events, Schemas: schema.NewChecker(), Log: entry,
		Tuning: worker.Tuning{MaxConcurrency: 4, PollingInterval: time.Second},
	})
	must(l.t, err)
	var ctx context.Context
	ctx, life.cancel = context.WithCancel(context.WithoutCancel(l.t.Context()))
	go life.run(ctx, redisq.NewPresence(options).Run, events.Run, life.tasks.Inherit)
	l.t.Cleanup(func() {
		life.cancel()
		killAll(l.t, l.leftBehind()) // or it would wait for them
		<-life.ended
	})
	return life
}

func variablesOf(environment string) (map[string]string, error) {
	variables, err := script.ReadEnvironment(environment)
	mirrored := map[string]string{}
	for _, v := range variables {
		mirrored[v.Name] = v.Value
	}
	return mirrored, err
}

// freeJournal opens the first journal that no other life has in its hands: one
// begins while the last is being drained.
func freeJournal(path string) (*state.Journal, error) {
	for n := 1; ; n++ {
		notes, warning, err := state.Open(fmt.Sprintf("%s.%d", path, n))
		if _, taken := errors.AsType[*state.TakenError](err); !taken {
			return notes, errors.Join(warning, err)
		}
	}
}

func (l *lane) registry(folder string, runner *script.Runner) *worker.Registry {
	l.t.Helper()
	registry, err := worker.NewRegistry(nil, script.NewSource(filepath.Join(l.n.dir, folder), runner))
	must(l.t, err)
	return registry
}

// run does what the agent's process does.
func (w *workerLife) run(ctx context.Context, background ...func(context.Context)) {
	defer close(w.ended)
	beside, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	for _, part := range background {
		parts.Go(func() { part(beside) })
	}
	w.worker.Run(ctx)
	giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.tasks.Return(giving); err != nil {
		w.t.Errorf("give tasks back: %v", err)
	}
	stop()
	parts.Wait()
	if err := errors.Join(w.tasks.Close(), w.journal.Close()); err != nil {
		w.t.Errorf("close: %v", err)
	}
}

// ready implements [life].
func (*workerLife) ready() {}

// drain implements [life].
func (w *workerLife) drain() { w.worker.Drain() }

// stop implements [life].
func (w *workerLife) stop() { w.cancel() }

// kill implements [life], but a part of a process cannot be killed.
func (w *workerLife) kill() { w.t.Error("a worker cannot be killed") }

// endings implements [life].
func (*workerLife) endings() []ending { return []ending{drained, stopped, both} }

// wantEnd implements [life]. It is the process that keeps the second.
func (w *workerLife) wantEnd(ending) {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Fatal("the worker does not end")
	}
	w.cancel()
}
