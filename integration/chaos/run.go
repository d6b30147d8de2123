package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cluster-agent/internal/wait"
)

// outcome is what a run came to.
type outcome struct {
	history history
	verdict verdict
	faults  map[faultKind]int
	took    time.Duration
	log     string // path of the agent's
}

// settleTime bounds what comes after the storm.
const settleTime = 3 * time.Minute

// play carries out a run. It is judged even when ctx ends early; an error means
// that it could not be.
func play(ctx context.Context, cfg config) (outcome, error) {
	st, err := newStage(ctx, cfg)
	if err != nil {
		return outcome{}, err
	}
	answering, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	var listening sync.WaitGroup
	listening.Go(func() { st.watcher.run(answering) })
	a := &adversary{stage: st, say: cfg.say, began: time.Now(), done: map[faultKind]int{}}
	h, err := a.perform(ctx, cfg, func(k kind) { st.clients.begin(answering, k) })
	giveUp()
	listening.Wait()
	st.clients.group.Wait()
	return outcome{h, judge(h), a.done, time.Since(a.began), filepath.Join(cfg.dir, logName)}, errors.Join(err, st.close())
}

// perform is the run, from the first start of the agent to what can be seen at the end.
func (a *adversary) perform(ctx context.Context, cfg config, client func(kind)) (history, error) {
	if err := a.watcher.await(ctx, 0); err != nil {
		return history{}, fmt.Errorf("subscribe: %w", err)
	}
	if err := a.startAgent(ctx); err != nil {
		return history{}, err
	}
	if err := a.storm(ctx, cfg, client); err != nil {
		a.complain("the run ended early: %v", err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := a.settle(ending); err != nil {
		a.complain("the agent did not come to its end: %v", err)
	}
	a.awaitClients(ending)
	h, err := a.witness(ending, cfg.dir)
	h.Trouble = append(a.trouble, h.Trouble...)
	return h, err
}

// calm is how many tasks are pushed after the last fault: the agent has to go on
// by itself.
const calm = 50

// storm lets the adversary act while tasks are pushed, until it has done all it
// was to do and there were enough tasks.
func (a *adversary) storm(ctx context.Context, cfg config, client func(kind)) error {
	ctx, stop := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop(nil)
	beside.Go(func() { a.pusher.run(ctx, client) })
	beside.Go(func() { a.guard(ctx, stop) })
	if err := a.run(ctx, cfg.plan()); err != nil {
		return err
	}
	acked, _ := a.ledger.count()
	return a.await(ctx, max(cfg.tasks, acked+calm))
}

// awaitClients gives those that wait the time to read their results.
func (st *stage) awaitClients(ctx context.Context) {
	const patience, pause = 10 * time.Second, 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for len(st.clients.slots) > 0 && wait.For(ctx, pause) {
	}
}

// witness reads all that can be seen at the end.
func (st *stage) witness(ctx context.Context, dir string) (history, error) {
	var h history
	var errs [5]error
	var left remains
	h.Tasks, h.Losses = st.ledger.all()
	client := st.server.client()
	h.Runs, errs[0] = readRuns(dir)
	h.Results, errs[1] = results(ctx, client, h.Tasks)
	left, errs[2] = leftBehind(ctx, client)
	h.Eternal, errs[3] = eternal(ctx, client)
	h.Trouble, errs[4] = crashes(filepath.Join(dir, logName))
	h.Queued, h.Progress, h.Finals = left.queued, left.progress, st.watcher.all()
	return h, errors.Join(errs[:]...)
}

// crashes looks in the agent's log for what no agent should say.
func crashes(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the agent's log: %w", err)
	}
	var found []string
	for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if at := bytes.Index(text, []byte(sign)); at >= 0 {
			found = append(found, fmt.Sprintf("the agent's log has, at byte %d: %s", at, sign))
		}
	}
	return found, nil
}
