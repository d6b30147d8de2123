package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// lines are all of an outcome.
func (o outcome) lines() []string {
	who := partName
	if o.cast != nil {
		who = named(o.cast)
	}
	lines := o.plan.lines(who)
	if o.trouble != nil {
		lines = append(lines, "cannot be judged: "+o.trouble.Error())
	}
	if o.unwell != nil {
		lines = append(lines, fmt.Sprintf("not whole after %v:", healTime), o.unwell.Error())
	}
	return append(lines, o.verdict.lines(o.began)...)
}

// short is the line of an outcome.
func (o outcome) short() string {
	word := "healed after " + o.heal.Round(10*time.Millisecond).String()
	switch {
	case o.trouble != nil:
		word = "CANNOT BE JUDGED"
	case o.unwell != nil:
		word = "NOT HEALED"
	case len(o.verdict.Lost) > 0:
		word += ", WRITES LOST"
	}
	silence := "by default"
	if o.plan.Silence > 0 {
		silence = o.plan.Silence.String()
	}
	taken := ""
	if o.plan.Takeover > 0 {
		taken = " and a takeover"
	}
	return fmt.Sprintf("seed %d: %s; silence %s, %d promotions%s, %d faults, %d writes: %d lost, %d in %d dumps, %d excused",
		o.plan.Seed, word, silence, len(o.plan.Promotions), taken, len(o.plan.Faults), o.writes,
		len(o.verdict.Lost), len(o.verdict.Kept), o.dumps, len(o.verdict.Excused))
}

// tell is what is written of an outcome when its schedule is over.
func tell(w io.Writer, o outcome) {
	fmt.Fprintln(w, o.short())
	if o.good() && o.folder == "" {
		return
	}
	for _, line := range o.lines() {
		fmt.Fprintln(w, "   ", strings.ReplaceAll(line, "\n", "\n    "))
	}
	if o.folder != "" {
		fmt.Fprintln(w, "    logs and states of all nodes:", o.folder)
	}
}

// total writes the table of all schedules; false if not all of them are good.
func total(w io.Writer, all []outcome, wanted int) bool {
	faults := map[faultKind]int{}
	var heals []time.Duration
	promotions, acts, writes, lost, kept, excused, bad := 0, 0, 0, 0, 0, 0, 0
	for _, o := range all {
		for _, f := range o.plan.Faults {
			faults[f.Kind]++
		}
		promotions += len(o.plan.Promotions)
		acts += len(o.plan.Faults)
		writes += o.writes
		lost, kept, excused = lost+len(o.verdict.Lost), kept+len(o.verdict.Kept), excused+len(o.verdict.Excused)
		if o.unwell == nil && o.trouble == nil {
			heals = append(heals, o.heal)
		}
		if !o.good() {
			bad++
		}
	}
	median, worst := middle(heals)
	for _, line := range []struct {
		name  string
		value any
		more  string
	}{
		{"schedules", len(all), fmt.Sprintf("of %d; with %d promotions", wanted, promotions)},
		{"faults", acts, byKind(faults)},
		{"healed", len(heals), fmt.Sprintf("after %v (median), %v (worst)", median, worst)},
		{"not healed", len(all) - len(heals), ""},
		{"writes", writes, "acknowledged"},
		{"lost", lost, fmt.Sprintf("besides %d that are in dumps, and %d excused by a kill of a master", kept, excused)},
	} {
		fmt.Fprintf(w, "  %-11s %7v  %s\n", line.name, line.value, line.more)
	}
	good := bad == 0 && len(all) == wanted
	word := "FAILED"
	if good {
		word = "good"
	}
	fmt.Fprintf(w, "%s: %d of %d schedules\n", word, len(all)-bad, wanted)
	return good
}

// middle is the median and the greatest.
func middle(all []time.Duration) (median, worst time.Duration) {
	if len(all) == 0 {
		return 0, 0
	}
	all = slices.Sorted(slices.Values(all))
	const exact = 10 * time.Millisecond
	return all[len(all)/2].Round(exact), all[len(all)-1].Round(exact)
}

// byKind is one line: each kind with its number.
func byKind(faults map[faultKind]int) string {
	words := make([]string, 0, len(faults))
	for _, kind := range slices.Sorted(maps.Keys(faults)) {
		words = append(words, fmt.Sprintf("%s %d", kind, faults[kind]))
	}
	return strings.Join(words, ", ")
}
