package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cluster-agent/integration/lab"
)

// How many clients there are.
const (
	writerCount = 4
	pusherCount = 2
)

// endTime is how long tasks may take to end, and replicas to catch up, when nobody pushes
// and writes any more.
const endTime = time.Minute

// traffic is what goes on in the cluster while its leader changes.
type traffic struct {
	stage   *stage
	writers []*writer
	pushers []*pusher
	finals  finals

	stop func() // the clients
	hush func() // the listeners

	running   sync.WaitGroup
	listening sync.WaitGroup
	errs      chan error
}

// startTraffic lets clients loose; part names what they write.
func (st *stage) startTraffic(ctx context.Context, part string) (*traffic, error) {
	t := &traffic{stage: st, errs: make(chan error, writerCount+pusherCount)}
	if err := t.listen(ctx); err != nil {
		return nil, err
	}
	ctx, t.stop = context.WithCancel(ctx)
	begin := func(run func(context.Context) error) {
		t.running.Go(func() { t.errs <- run(ctx) })
	}
	for n := range writerCount {
		w := newWriter(st, part, n)
		t.writers = append(t.writers, w)
		begin(w.run)
	}
	for n := range pusherCount {
		p := newPusher(st, part, n)
		t.pushers = append(t.pushers, p)
		begin(p.run)
	}
	return t, nil
}

// listen hears the ends of tasks on every node.
func (t *traffic) listen(ctx context.Context) error {
	ctx, t.hush = context.WithCancel(ctx)
	for _, n := range t.stage.lab().Nodes {
		db, err := n.DB()
		if err != nil {
			t.hush()
			return err
		}
		t.listening.Go(func() { t.finals.listen(ctx, n.ID, db) })
	}
	return nil
}

// quiet ends the writing and pushing.
func (t *traffic) quiet() error {
	t.stop()
	t.running.Wait()
	errs := make([]error, 0, writerCount+pusherCount)
	for range writerCount + pusherCount {
		errs = append(errs, <-t.errs)
	}
	return errors.Join(errs...)
}

// pause is the longest time in which one of the writers got no write acknowledged.
func (t *traffic) pause(from, to time.Time) time.Duration {
	longest := time.Duration(0)
	for _, w := range t.writers {
		longest = max(longest, longestPause(moments(w.list.all()), from, to))
	}
	return longest
}

// close ends everything without a look at what became of it.
func (t *traffic) close() error {
	err := t.quiet()
	t.hush()
	t.listening.Wait()
	return err
}

// verdict is what became of all that clients were told.
type verdict struct {
	Writes  int // acknowledged
	Lost    losses
	Doubled int
	Tasks   tasksVerdict
	Details []string // what is wrong, one thing a line
}

func (v verdict) good() bool {
	return v.Lost.Lost == 0 && v.Doubled == 0 && v.Tasks.Lost.Lost == 0 && v.Tasks.Doubled == 0 && v.Tasks.Failed == 0
}

// end stops the traffic, waits until all that it caused has come to its end, and judges it.
func (t *traffic) end(ctx context.Context, kills []kill) (v verdict, err error) {
	defer func() {
		t.hush()
		t.listening.Wait()
	}()
	if err = t.quiet(); err != nil {
		return v, err
	}
	if v.Tasks, err = t.judgeTasks(ctx, kills); err != nil {
		return v, err
	}
	catching, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	if err = t.stage.replicated(catching); err != nil {
		return v, fmt.Errorf("wait for the replicas: %w", err)
	}
	for _, n := range t.stage.lab().Nodes {
		if err = t.judgeWrites(ctx, n, &v, kills); err != nil {
			return v, err
		}
	}
	return v, ctx.Err()
}

// judgeWrites looks for all acknowledged writes on one node. What is lost anywhere is lost,
// and counts once, where most is.
func (t *traffic) judgeWrites(ctx context.Context, n *lab.Node, v *verdict, kills []kill) error {
	db, err := n.DB()
	if err != nil {
		return err
	}
	var lost losses
	writes, doubled := 0, 0
	for _, w := range t.writers {
		found, err := w.read(ctx, db)
		if err != nil {
			return err
		}
		l, d := w.judge(found, kills)
		lost, doubled, writes = lost.plus(l), doubled+d, writes+len(w.list.all())+len(w.counter.all())
		if l.Lost+d > 0 {
			v.Details = append(v.Details, fmt.Sprintf("node %d, %s: %d lost, %d doubled", n.ID, w.key, l.Lost, d))
		}
	}
	v.Writes, v.Doubled = writes, max(v.Doubled, doubled)
	v.Lost = losses{
		Excused: max(v.Lost.Excused, lost.Excused), Aside: max(v.Lost.Aside, lost.Aside), Lost: max(v.Lost.Lost, lost.Lost),
	}
	return nil
}

// judgeTasks waits for the results of all tasks that were acknowledged, and judges what is
// there when they are, or time is over.
func (t *traffic) judgeTasks(ctx context.Context, kills []kill) (v tasksVerdict, err error) {
	var all []task
	for _, p := range t.pushers {
		all = append(all, p.tasks...)
	}
	db, err := t.stage.lab().Node(t.stage.cluster.Leader).DB()
	if err != nil {
		return v, err
	}
	seen := tasksSeen{results: map[string]string{}}
	ending, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	if err = awaitResults(ending, db, all, seen.results, len(kills) > 0); err != nil {
		return v, err
	}
	seen.finals = t.finals.most()
	if seen.runs, err = readRuns(t.stage.lab().Nodes); err != nil {
		return v, err
	}
	for _, p := range t.pushers {
		v.judge(p.tasks, p.acks.all(), seen, kills)
	}
	return v, nil
}
