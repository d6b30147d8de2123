package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func ms(values ...int) series {
	s := make(series, 0, len(values))
	for _, v := range values {
		s = append(s, time.Duration(v)*time.Millisecond)
	}
	return s
}

func TestSeries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		s             series
		median, worst int
	}{
		"none":          {nil, 0, 0},
		"one":           {ms(7), 7, 7},
		"two":           {ms(30, 10), 20, 30},
		"three":         {ms(30, 10, 11), 11, 30},
		"four, a spike": {ms(10, 12, 900, 14), 13, 900},
	} {
		before := append(series(nil), test.s...)
		if median, worst := test.s.median(), test.s.worst(); median != ms(test.median)[0] || worst != ms(test.worst)[0] {
			t.Errorf("%s: %v and %v, want %d and %d", name, median, worst, test.median, test.worst)
		}
		for i := range before {
			if before[i] != test.s[i] {
				t.Errorf("%s: the order was changed", name)
			}
		}
	}
}

func TestLongestPause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		moments  []int
		from, to int
		want     int
	}{
		"even":              {[]int{0, 10, 20, 30}, 5, 25, 10},
		"in between":        {[]int{0, 10, 90, 100}, 5, 100, 80},
		"before and after":  {[]int{0, 10, 90, 100}, 95, 98, 3},
		"never":             {nil, 10, 50, 40},
		"only before":       {[]int{0, 10}, 10, 50, 40},
		"not again":         {[]int{10, 20}, 0, 100, 80},
		"later ones do not": {[]int{10, 20, 300, 900}, 0, 30, 10},
	} {
		all := make([]time.Time, 0, len(test.moments))
		for _, m := range test.moments {
			all = append(all, at(m))
		}
		if got := longestPause(all, at(test.from), at(test.to)); got != ms(test.want)[0] {
			t.Errorf("%s: %v, want %d ms", name, got, test.want)
		}
	}
}

func TestVerdictOfATarget(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target target
		s      series
		want   string
	}{
		"none wanted":    {target{}, ms(5), ""},
		"none measured":  {target{median: time.Second}, nil, ""},
		"reached":        {target{median: time.Second}, ms(999, 5000, 2), "median < 1000: reached"},
		"exactly":        {target{median: time.Second}, ms(1000), "median < 1000: NOT reached"},
		"one of the two": {target{100 * time.Millisecond, 500 * time.Millisecond}, ms(20, 20, 600), "median < 100: reached, worst < 500: NOT reached"},
	} {
		if got := test.target.verdict(test.s); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	table(&text, [][]string{
		{"ms", "median", "worst", "wanted"},
		append(append([]string{"until it …"}, cells(ms(10, 12, 1400))...), "< 20: reached"),
		append(append([]string{"nothing"}, cells(nil)...), ""),
	})
	want := strings.Join([]string{
		"  ms          median  worst  wanted",
		"  until it …      12   1400  < 20: reached",
		"  nothing          -      -",
		"", "",
	}, "\n")
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", &text, want)
	}
}

func TestReportWithoutFindings(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	r := report{Wanted: config{promotions: 1, dead: 1}}
	r.write(&text)
	if r.good() || !strings.Contains(text.String(), "not done: 0 promotions, 0 dead leaders") {
		t.Errorf("what was not measured is called good:\n%s", &text)
	}
	r.Alive.Judged, r.Dead.Judged = true, true
	if !r.good() {
		t.Error("what was measured, and is well, is not called good")
	}
	for name, v := range map[string]verdict{
		"write lost":    {Lost: losses{Lost: 1}},
		"write doubled": {Doubled: 1},
		"task lost":     {Tasks: tasksVerdict{Lost: losses{Lost: 1}}},
		"task doubled":  {Tasks: tasksVerdict{Doubled: 1}},
		"task failed":   {Tasks: tasksVerdict{Failed: 1}},
	} {
		spoilt := r
		spoilt.Dead.Traffic = v
		text.Reset()
		if spoilt.write(&text); spoilt.good() || !strings.Contains(text.String(), "\nFAILED: ") {
			t.Errorf("%s: good, or not told:\n%s", name, &text)
		}
	}
	r.Dead.Traffic = verdict{Lost: losses{Excused: 3}, Tasks: tasksVerdict{Cut: 1, Lost: losses{Excused: 1}}}
	if !r.good() {
		t.Error("what no replica can have had is called lost")
	}
}
