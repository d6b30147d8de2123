package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// The rows of the VPN's table, for each number of peers.
const (
	readAlone      = "Redis: list and read all records"
	syncAlone      = "wg syncconf, unchanged"
	showRoutes     = "ip -batch: route show"
	replaceRoutes  = "ip -batch: route replace, of each"
	limitFirst     = "limit, first: syncconf, route add"
	limitUnchanged = "limit, unchanged: syncconf, route show"
	limitMore      = "limit, one more: syncconf, route add"
)

// vpnRows names the rows of one way to run.
type vpnRows struct{ first, unchanged, more string }

func wholeRows() vpnRows {
	return vpnRows{"whole process, first", "whole process, unchanged", "whole process, one more"}
}

func insideRows() vpnRows {
	return vpnRows{"inside the agent, first", "inside the agent, unchanged", "inside the agent, one more"}
}

// vpnTable collects what was measured, by row.
type vpnTable struct{ rows map[string][]vpnSample }

// vpnSample is a run, and its limit at the same time; 0: it has none.
type vpnSample struct {
	vpnRun
	limit time.Duration
}

func (t *vpnTable) add(row string, r vpnRun, limit time.Duration) {
	if t.rows == nil {
		t.rows = make(map[string][]vpnSample)
	}
	t.rows[row] = append(t.rows[row], vpnSample{r, limit})
}

func printVPNHead(rounds int) {
	fmt.Printf("\nthe VPN, medians of %d rounds, times without changes of %d in each\n\n", rounds, vpnRepeats)
	fmt.Printf("%-58s %12s %10s %10s %10s\n", "case", "time", "best", "of limit", "memory")
}

// printVPN prints the rows of one number of peers. Ratios are medians of ratios, of
// runs one after the other.
func printVPN(peers int, t *vpnTable) {
	whole, inside := wholeRows(), insideRows()
	for _, row := range []string{
		readAlone, syncAlone, showRoutes, replaceRoutes, limitFirst, limitUnchanged, limitMore,
		whole.first, whole.unchanged, whole.more, inside.first, inside.unchanged, inside.more,
	} {
		samples := t.rows[row]
		ratio := "-"
		if samples[0].limit > 0 {
			ratio = fmt.Sprintf("%.2f", middleOf(samples, func(s vpnSample) float64 { return float64(s.took) / float64(s.limit) }))
		}
		took := middleOf(samples, func(s vpnSample) time.Duration { return s.took })
		best := slices.MinFunc(samples, func(a, b vpnSample) int { return int(a.took - b.took) }).took
		memory := middleOf(samples, func(s vpnSample) int { return s.memory })
		fmt.Printf("%-58s %12s %10s %10s %10s\n", vpnCase(peers)+": "+row, show(took), show(best), ratio, showKiB(memory))
	}
	if own, err := peakMemory(os.Getpid()); err == nil {
		fmt.Printf("(below %s nothing can be said of a process's memory: it begins as a copy of this one)\n", showKiB(own))
	}
}

func middleOf[T float64 | time.Duration | int](samples []vpnSample, of func(vpnSample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
