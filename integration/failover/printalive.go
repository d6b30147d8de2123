package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// write prints the tables of promotions.
func (a alive) write(w io.Writer) {
	fmt.Fprintf(w, "A leader that is alive: %d promotions in a row\n\n", len(a.Promotions))
	figures := promotionRows()
	rows := make([][]string, 0, len(figures)+1)
	rows = append(rows, []string{"ms from the start of promote-node", "median", "worst", "wanted"})
	for _, row := range figures {
		s := seriesOf(a.Promotions, row.figure)
		rows = append(rows, slices.Concat([]string{row.name}, cells(s), []string{row.target.verdict(s)}))
	}
	table(w, rows)
	if len(a.Promotions) > 0 {
		p := a.worstGap()
		fmt.Fprintf(w, "  The longest gap: promotion %d, of node %d by node %d, %s.\n\n", p.Number, p.To, p.From, p.Gap)
	}
	lines(w, a.Refused, maxRefused)
	if a.Judged {
		a.Traffic.write(w, [][]string{
			{"promotions refused, and tried again", strconv.Itoa(len(a.Refused)), ""},
			{"full resyncs", strconv.Itoa(a.Syncs.Full), reached(a.Syncs.Full == 0)},
			{"partial resyncs; asked for in vain", fmt.Sprintf("%d; %d", a.Syncs.Partial, a.Syncs.NotServed), ""},
		})
	}
}

func (a alive) worstGap() promotion {
	return slices.MaxFunc(a.Promotions, func(x, y promotion) int { return cmp.Compare(x.Gap.Length, y.Gap.Length) })
}

type promotionRow struct {
	name   string
	figure func(promotion) time.Duration
	target target
}

func promotionRows() []promotionRow {
	return []promotionRow{
		{"until all nodes had turned, replicas in sync", func(p promotion) time.Duration { return p.Total }, target{median: wantedTotal}},
		{"  until the switch was announced: checks", func(p promotion) time.Duration { return p.Announced }, target{}},
		{"  until the command had ended", func(p promotion) time.Duration { return p.Command }, target{}},
		{"  until the new leader's Redis was master", func(p promotion) time.Duration { return p.Master }, target{}},
		{"  until the last hosts file had turned", func(p promotion) time.Duration { return p.Name }, target{}},
		{"  until the last wg0 but the old leader's had turned", func(p promotion) time.Duration { return p.Others }, target{}},
		{"  until the last wg0 had turned", func(p promotion) time.Duration { return p.VPN }, target{}},
		{"  until the last replica was in sync", func(p promotion) time.Duration { return p.Redis }, target{}},
		{"longest gap of pings between workers", func(p promotion) time.Duration { return p.Gap.Length }, target{wantedGap, wantedWorst}},
		{"  between a worker and the old leader", func(p promotion) time.Duration { return p.OldGap.Length }, target{}},
		{"  between workers, without a promotion", func(p promotion) time.Duration { return p.Calm.Length }, target{}},
		{"longest pause of a writer", func(p promotion) time.Duration { return p.Pause }, target{}},
	}
}
