package main

import (
	"fmt"
	"slices"
	"time"
)

// write is one that was acknowledged.
type write struct {
	Writer, Number int
	Node           int       // whose Redis acknowledged it
	At             time.Time // when it was sent
	Epoch          int64     // of the leader by that Redis; 0: unknown
	Leader         int       // who leads in it
}

// kill is the end of a Redis that saved nothing.
type kill struct {
	Node int
	At   time.Time // when it was over
}

// numbers are the writes that some data hold, by writer.
type numbers map[int]map[int]bool

func (n numbers) has(w write) bool { return n[w.Writer][w.Number] }

// verdict is what became of the writes that the final leader does not have.
type verdict struct {
	Lost    []write
	Excused []write // a master was killed soon after
	Kept    []write // they are in a dump
}

// saveTime is how long the last data of a killed Redis may have been nowhere else: it
// saves every five seconds if something has changed, and that takes time.
const saveTime = 15 * time.Second

// judge looks for each write in the final leader's data, then in the dumps, then for an
// excuse: the kill of a node that led, or was to lead. It is pure.
func judge(writes []write, final, dumped numbers, kills []kill, leaders []int) verdict {
	var v verdict
	for _, w := range writes {
		switch {
		case final.has(w):
		case dumped.has(w):
			v.Kept = append(v.Kept, w)
		case slices.ContainsFunc(kills, func(k kill) bool { return slices.Contains(leaders, k.Node) && k.excuses(w) }):
			v.Excused = append(v.Excused, w)
		default:
			v.Lost = append(v.Lost, w)
		}
	}
	return v
}

func (k kill) excuses(w write) bool {
	after := k.At.Sub(w.At)
	return after >= 0 && after <= saveTime
}

// mostNamed is how many lost writes are named.
const mostNamed = 10

// lines name lost writes, as far as a person reads.
func (v verdict) lines(began time.Time) []string {
	var lines []string
	for _, w := range v.Lost[:min(len(v.Lost), mostNamed)] {
		lines = append(lines, fmt.Sprintf("lost: write %d of writer %d, acknowledged by node %d after %d ms, in epoch %d of node %d",
			w.Number, w.Writer, w.Node, w.At.Sub(began).Milliseconds(), w.Epoch, w.Leader))
	}
	if more := len(v.Lost) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}
