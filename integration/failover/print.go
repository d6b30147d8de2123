package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// What is to be reached.
const (
	wantedTotal   = time.Second
	wantedGap     = 100 * time.Millisecond
	wantedWorst   = 500 * time.Millisecond
	wantedCommand = 300 * time.Millisecond
)

// write prints the tables.
func (r report) write(w io.Writer) {
	fmt.Fprintf(w, "The change of the leader, %d nodes. Load of the machine: %s before, %s at the end, after %s.\n"+
		"The same successors and orders again: %s\n\n", r.Nodes, r.Load[0], r.Load[1], r.Took.Round(time.Second), r.Again)
	if r.Wanted.promotions > 0 {
		r.Alive.write(w)
	}
	if r.Wanted.dead > 0 {
		r.Dead.write(w)
	}
	word := "good"
	switch {
	case !r.Alive.Traffic.good() || !r.Dead.Traffic.good():
		word = "FAILED"
	case !r.good():
		word = "not done"
	}
	fmt.Fprintf(w, "%s: %d promotions, %d dead leaders\n", word, len(r.Alive.Promotions), len(r.Dead.Successions))
}

func reached(yes bool) string {
	if yes {
		return "0: reached"
	}
	return "0: NOT reached"
}

// write prints what became of writes and tasks, and other counts after those.
func (v verdict) write(w io.Writer, more [][]string) {
	rows := slices.Concat([][]string{
		{"counts", "", "wanted"},
		{"writes acknowledged", strconv.Itoa(v.Writes), ""},
		{"writes lost", strconv.Itoa(v.Lost.Lost), reached(v.Lost.Lost == 0)},
		{"writes doubled", strconv.Itoa(v.Doubled), reached(v.Doubled == 0)},
		{"tasks pushed and acknowledged", strconv.Itoa(v.Tasks.Pushed), ""},
		{"tasks lost", strconv.Itoa(v.Tasks.Lost.Lost), reached(v.Tasks.Lost.Lost == 0)},
		{"tasks that ran, or ended, twice", strconv.Itoa(v.Tasks.Doubled), reached(v.Tasks.Doubled == 0)},
		{"tasks that failed", strconv.Itoa(v.Tasks.Failed), reached(v.Tasks.Failed == 0)},
	}, more)
	table(w, rows)
	const most = 20
	lines(w, slices.Concat(v.Details, v.Tasks.Details), most)
}

// lines prints at most so many lines, if there are any.
func lines(w io.Writer, all []string, most int) {
	for _, text := range all[:min(len(all), most)] {
		fmt.Fprintf(w, "  %s\n", text)
	}
	if len(all) > most {
		fmt.Fprintf(w, "  and %d more\n", len(all)-most)
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
}
