package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// write prints the tables of dead leaders: one column of figures for each way to type.
func (d dead) write(w io.Writer) {
	inTurn := slices.DeleteFunc(slices.Clone(d.Successions), func(s succession) bool { return s.AtOnce })
	atOnce := slices.DeleteFunc(slices.Clone(d.Successions), func(s succession) bool { return !s.AtOnce })
	fmt.Fprintf(w, "A dead leader: killed, and switch-leader typed into the others, %d times one after the other, %d times on all at once\n\n", len(inTurn), len(atOnce))
	rows := pairs("ms from the start of the first switch-leader", len(successionRows()))
	for _, row := range successionRows() {
		rows = append(rows, pair(row.name, seriesOf(inTurn, row.figure), seriesOf(atOnce, row.figure), row.target))
	}
	table(w, rows)
	rows = pairs("ms of one switch-leader", len(commandRows()))
	for _, row := range commandRows() {
		rows = append(rows, pair(row.name, row.of(inTurn), row.of(atOnce), row.target))
	}
	table(w, rows)
	if d.Judged {
		d.Traffic.write(w, d.counts())
	}
}

// pairs is the heading of a table with a pair of figures for each of the two ways, and room
// for its rows.
func pairs(unit string, rows int) [][]string {
	return append(make([][]string, 0, rows+1),
		[]string{unit, "in turn: median", "worst", "at once: median", "worst", "wanted, in turn / at once"})
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
	home, refused := 0, 0
	var byItself, told series
	for _, s := range d.Successions {
		sum = sum.plus(s.Syncs, 1)
		if s.ByItself {
			home++
			byItself = append(byItself, s.Home)
			continue
		}
		told = append(told, s.Home)
		refused += s.Typed - 1
	}
	rows := [][]string{
		{"writes that no replica can have had", strconv.Itoa(d.Traffic.Lost.Excused), ""},
		{"writes that a killed leader took when it was back, and has a copy of", strconv.Itoa(d.Traffic.Lost.Aside), ""},
		{"tasks that no replica can have had", strconv.Itoa(d.Traffic.Tasks.Lost.Excused), ""},
		{"tasks that a killed node ran again, by older data of its Redis", strconv.Itoa(d.Traffic.Tasks.Again), reached(d.Traffic.Tasks.Again == 0)},
		{"tasks cut by the end of their node", strconv.Itoa(d.Traffic.Tasks.Cut), ""},
		{"full resyncs of the others; partial ones", fmt.Sprintf("%d; %d", sum.Full, sum.Partial), ""},
		{"leaders of old that came home by themselves", fmt.Sprintf("%d of %d", home, len(d.Successions)), ""},
	}
	if len(byItself) > 0 {
		rows = append(rows, []string{"  seconds after their boot, median and worst", seconds(byItself), ""})
	}
	if len(told) > 0 {
		rows = append(rows,
			[]string{"  others: seconds after they were told, median and worst", seconds(told), ""},
			[]string{"  refusals of switch-leader there, and tried again", strconv.Itoa(refused), ""})
	}
	return rows
}

func seconds(s series) string {
	return fmt.Sprintf("%.2f, %.2f", s.median().Seconds(), s.worst().Seconds())
}
