package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is to be reached.
const (
	wantedTotal   = time.Second
	wantedGap     = 100 * time.Millisecond
	wantedWorst   = 500 * time.Millisecond
	wantedCommand = 300 * time.Millisecond
)

// print writes the tables.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "The change of the leader, %d nodes. Load of the machine: %s before, %s at the end, after %s.\n"+
		"The same successors and orders again: %s\n\n", r.Nodes, r.Load[0], r.Load[1], r.Took.Round(time.Second), r.Again)
	if r.Wanted.promotions > 0 {
		r.Alive.print(w)
	}
	if r.Wanted.dead > 0 {
		r.Dead.print(w)
	}
	word := "FAILED"
	if r.good() {
		word = "good"
	}
	fmt.Fprintf(w, "%s: of %d promotions and %d dead leaders\n", word, len(r.Alive.Promotions), len(r.Dead.Successions))
}

// print writes the tables of promotions.
func (a alive) print(w io.Writer) {
	fmt.Fprintf(w, "A leader that is alive: %d promotions in a row\n\n", len(a.Promotions))
	of := func(figure func(promotion) time.Duration) series { return seriesOf(a.Promotions, figure) }
	rows := [][]string{{"ms from the start of promote-node", "median", "worst", "wanted"}}
	for _, row := range []struct {
		name   string
		figure func(promotion) time.Duration
		target target
	}{
		{"until all nodes had turned, replicas in sync", func(p promotion) time.Duration { return p.Total }, target{median: wantedTotal}},
		{"  until the switch was announced: checks", func(p promotion) time.Duration { return p.Announced }, target{}},
		{"  until the command had ended", func(p promotion) time.Duration { return p.Command }, target{}},
		{"  until the new leader's Redis was master", func(p promotion) time.Duration { return p.Master }, target{}},
		{"  until the last hosts file had turned", func(p promotion) time.Duration { return p.Name }, target{}},
		{"  until the last wg0 had turned", func(p promotion) time.Duration { return p.VPN }, target{}},
		{"  until the last replica was in sync", func(p promotion) time.Duration { return p.Redis }, target{}},
		{"longest gap of pings between workers", func(p promotion) time.Duration { return p.Gap.Length }, target{wantedGap, wantedWorst}},
		{"  the same without a promotion", func(p promotion) time.Duration { return p.Calm.Length }, target{}},
		{"longest pause of a writer", func(p promotion) time.Duration { return p.Pause }, target{}},
	} {
		s := of(row.figure)
		rows = append(rows, append(append([]string{row.name}, cells(s)...), row.target.verdict(s)))
	}
	table(w, rows)
	if len(a.Promotions) > 0 {
		p := a.worstGap()
		fmt.Fprintf(w, "  The longest gap: promotion %d, of node %d by node %d, %s.\n\n", p.Number, p.To, p.From, p.Gap)
	}
	if a.Judged {
		a.Traffic.print(w, [][]string{
			{"full resyncs", strconv.Itoa(a.Syncs.Full), reached(a.Syncs.Full == 0)},
			{"partial resyncs; asked for in vain", fmt.Sprintf("%d; %d", a.Syncs.Partial, a.Syncs.NotServed), ""},
		})
	}
}

func (a alive) worstGap() promotion {
	return slices.MaxFunc(a.Promotions, func(x, y promotion) int { return cmp.Compare(x.Gap.Length, y.Gap.Length) })
}

func reached(yes bool) string {
	if yes {
		return "0: reached"
	}
	return "0: NOT reached"
}

// print writes what became of writes and tasks, and other counts after those.
func (v verdict) print(w io.Writer, more [][]string) {
	rows := [][]string{
		{"counts", "", "wanted"},
		{"writes acknowledged", strconv.Itoa(v.Writes), ""},
		{"writes lost", strconv.Itoa(v.Lost.Lost), reached(v.Lost.Lost == 0)},
		{"writes doubled", strconv.Itoa(v.Doubled), reached(v.Doubled == 0)},
		{"tasks pushed and acknowledged", strconv.Itoa(v.Tasks.Pushed), ""},
		{"tasks lost", strconv.Itoa(v.Tasks.Lost.Lost), reached(v.Tasks.Lost.Lost == 0)},
		{"tasks that ran, or ended, twice", strconv.Itoa(v.Tasks.Doubled), reached(v.Tasks.Doubled == 0)},
		{"tasks that failed", strconv.Itoa(v.Tasks.Failed), reached(v.Tasks.Failed == 0)},
	}
	table(w, append(rows, more...))
	const most = 20
	details := slices.Concat(v.Details, v.Tasks.Details)
	for _, line := range details[:min(len(details), most)] {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if len(details) > most {
		fmt.Fprintf(w, "  and %d more\n", len(details)-most)
	}
	if len(details) > 0 {
		fmt.Fprintln(w)
	}
}

// print writes the tables of dead leaders: one column of figures for each way to type.
func (d dead) print(w io.Writer) {
	inTurn := slices.DeleteFunc(slices.Clone(d.Successions), func(s succession) bool { return s.AtOnce })
	atOnce := slices.DeleteFunc(slices.Clone(d.Successions), func(s succession) bool { return !s.AtOnce })
	fmt.Fprintf(w, "A dead leader: killed, and switch-leader typed into the others, %d times one after the other, %d times on all at once\n\n", len(inTurn), len(atOnce))
	rows := [][]string{{"ms from the start of the first switch-leader", "in turn: median", "worst", "at once: median", "worst", "wanted, in turn / at once"}}
	for _, row := range successionRows() {
		x, y := seriesOf(inTurn, row.figure), seriesOf(atOnce, row.figure)
		rows = append(rows, pair(row.name, x, y, row.target))
	}
	table(w, rows)
	rows = [][]string{{"ms of one switch-leader", "in turn: median", "worst", "at once: median", "worst", "wanted, in turn / at once"}}
	for _, row := range commandRows() {
		rows = append(rows, pair(row.name, row.of(inTurn), row.of(atOnce), row.target))
	}
	table(w, rows)
	if d.Judged {
		d.Traffic.print(w, d.counts())
	}
}

// pair is a row for two ways.
func pair(name string, x, y series, t target) []string {
	verdict := strings.Trim(t.verdict(x)+" / "+t.verdict(y), " /")
	return slices.Concat([]string{name}, cells(x), cells(y), []string{verdict})
}

type successionRow struct {
	name   string
	figure func(succession) time.Duration
	target target
}

func successionRows() []successionRow {
	return []successionRow{
		{"until the others reach each other, replicas in sync", func(s succession) time.Duration { return s.Total }, target{median: wantedTotal}},
		{"  until the new leader led", func(s succession) time.Duration { return s.Leads }, target{}},
		{"  until the last wg0 had turned", func(s succession) time.Duration { return s.VPN }, target{}},
		{"  until each pair of nodes had pinged", func(s succession) time.Duration { return s.Pings }, target{}},
		{"  until the last replica was in sync", func(s succession) time.Duration { return s.Redis }, target{}},
	}
}

// commandRow is a figure of some of the commands.
type commandRow struct {
	name   string
	wanted func(command) bool
	figure func(command) time.Duration
	target target
}

func commandRows() []commandRow {
	took, own := func(c command) time.Duration { return c.Took }, func(c command) time.Duration { return c.Own }
	return []commandRow{
		{"on the node that is to lead", func(c command) bool { return c.Leads }, took, target{worst: wantedCommand}},
		{"on another, when that one leads", func(c command) bool { return c.Ready }, took, target{worst: wantedCommand}},
		{"on another, before: until it only waits for that one", func(c command) bool { return !c.Ready && !c.Leads }, own, target{worst: wantedCommand}},
	}
}

func (r commandRow) of(all []succession) series {
	var s series
	for _, one := range all {
		for _, c := range one.Commands {
			if r.wanted(c) {
				s = append(s, r.figure(c))
			}
		}
	}
	return s
}

// counts are those that only dead leaders have.
func (d dead) counts() [][]string {
	var sum syncs
	home := 0
	var byItself, told series
	for _, s := range d.Successions {
		sum = sum.plus(s.Syncs, 1)
		if s.ByItself {
			home++
			byItself = append(byItself, s.Home)
			continue
		}
		told = append(told, s.Home)
	}
	rows := [][]string{
		{"writes that no replica can have had", strconv.Itoa(d.Traffic.Lost.Excused), ""},
		{"tasks that no replica can have had", strconv.Itoa(d.Traffic.Tasks.Lost.Excused), ""},
		{"tasks cut by the end of their node", strconv.Itoa(d.Traffic.Tasks.Cut), ""},
		{"full resyncs of the others; partial ones", fmt.Sprintf("%d; %d", sum.Full, sum.Partial), ""},
		{"leaders of old that came home by themselves", fmt.Sprintf("%d of %d", home, len(d.Successions)), ""},
	}
	if len(byItself) > 0 {
		rows = append(rows, []string{"  in seconds, median and worst", seconds(byItself), ""})
	}
	if len(told) > 0 {
		rows = append(rows, []string{"those that were told: seconds, median and worst", seconds(told), ""})
	}
	return rows
}

func seconds(s series) string {
	return fmt.Sprintf("%.1f, %.1f", s.median().Seconds(), s.worst().Seconds())
}
