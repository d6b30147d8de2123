package main

import (
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_000_000)
	w := write{Writer: 1, Number: 7, Node: 2, At: at, Epoch: 3, Leader: 2}
	held := numbers{1: {7: true}}
	killed := func(node int, after time.Duration) []kill { return []kill{{Node: node, At: at.Add(after)}} }
	for name, c := range map[string]struct {
		final, dumped       numbers
		kills               []kill
		lost, excused, kept int
	}{
		"there":                       {final: held},
		"in a dump":                   {dumped: held, kept: 1},
		"in a dump, and killed":       {dumped: held, kills: killed(2, 0), kept: 1},
		"lost":                        {lost: 1},
		"another writer has it":       {final: numbers{0: {7: true}}, lost: 1},
		"killed soon":                 {kills: killed(2, time.Second), excused: 1},
		"killed before":               {kills: killed(2, -time.Millisecond), lost: 1},
		"killed long after":           {kills: killed(2, saveTime+time.Second), lost: 1},
		"one killed that never leads": {kills: killed(5, time.Second), lost: 1},
		"the candidate killed":        {kills: killed(3, time.Second), excused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judge([]write{w}, c.final, c.dumped, c.kills, []int{2, 3})
			if len(v.Lost) != c.lost || len(v.Excused) != c.excused || len(v.Kept) != c.kept {
				t.Errorf("%+v", v)
			}
			if said := strings.Join(v.lines(at), ""); (said != "") != (c.lost > 0) {
				t.Errorf("says %q", said)
			}
		})
	}
}

func TestStamped(t *testing.T) {
	t.Parallel()
	second := func(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, n, 0, time.Local) }
	k := &clock{files: map[string][]tick{"log": {{4, second(1)}, {8, second(2)}, {12, second(3)}}}}
	got := k.stamped("log", "one\ntwo\nsix\n", second(2))
	if want := "00:00:02.000 two\n00:00:03.000 six\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
