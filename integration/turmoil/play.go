package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// outcome is what a schedule came to.
type outcome struct {
	plan    plan
	cast    []int
	heal    time.Duration // how long it took
	unwell  error         // what was missing after a minute; nil if it healed
	trouble error         // nothing could be judged
	verdict verdict
	writes  int
	dumps   int
	began   time.Time
	said    []string
	folder  string // of the evidence; empty if all was well
}

func (o outcome) good() bool {
	return o.unwell == nil && o.trouble == nil && len(o.verdict.Lost) == 0
}

// play carries out a schedule on a cluster that is whole.
func (st *stage) play(ctx context.Context, p plan) outcome {
	o := outcome{plan: p, began: time.Now()}
	if err := st.prepare(ctx, p.Silence); err != nil {
		o.trouble = fmt.Errorf("before the first fault: %w", err)
		return o
	}
	o.cast = p.cast(st.Leader, st.prepared, st.Members)
	w, err := startWriters(ctx, st.Cluster, p.Seed)
	if err != nil {
		o.trouble = err
		return o
	}
	a := newAdversary(st.Cluster, o.cast)
	o.began = a.began
	a.run(ctx, p)
	lifted := time.Now()
	o.unwell = heal(ctx, st.Cluster, a.say)
	o.heal = time.Since(lifted)
	a.say("whole: %v", o.unwell == nil)
	writes := w.stop()
	o.writes, o.said, o.trouble = len(writes), a.said, errors.Join(append(a.trouble, ctx.Err())...)
	if o.unwell == nil && o.trouble == nil {
		o.trouble = st.judge(ctx, &o, writes, a.kills)
	}
	return o
}

// judge looks what became of the writes.
func (st *stage) judge(ctx context.Context, o *outcome, writes []write, kills []kill) error {
	db, err := st.Lab.Node(st.Leader).DB()
	if err != nil {
		return err
	}
	final, err := readNumbers(ctx, db, o.plan.Seed)
	if err != nil {
		return err
	}
	dumped, count, err := readDumps(ctx, st.Cluster, o.plan.Seed)
	if err != nil {
		return err
	}
	o.dumps = count
	leaders := []int{st.Leader}
	for _, m := range o.plan.Promotions {
		leaders = append(leaders, o.cast[m.On], o.cast[m.Node])
	}
	for _, w := range writes {
		if !slices.Contains(leaders, w.Node) {
			leaders = append(leaders, w.Node)
		}
	}
	o.verdict = judge(writes, final, dumped, kills, leaders)
	if len(o.verdict.Lost) > 0 {
		return nil // the evidence stays
	}
	for writer := range writerCount {
		if err := db.Del(ctx, key(o.plan.Seed, writer)).Err(); err != nil {
			return fmt.Errorf("remove the writes: %w", err)
		}
	}
	return removeDumps(ctx, st.Cluster)
}
