package main

import (
	"testing"
	"time"
)

// at is a moment of a test.
func at(ms int) time.Time { return time.UnixMilli(int64(ms)) }

// acked are values that were acknowledged, a moment apart: value and time are the same.
func acked(values ...int64) []ack {
	all := make([]ack, 0, len(values))
	for _, v := range values {
		all = append(all, ack{v, at(int(v)), 1})
	}
	return all
}

func TestJudgeList(t *testing.T) {
	t.Parallel()
	died, other := []kill{{1, at(35), at(38), at(38)}}, []kill{{2, at(35), at(38), at(38)}}
	back := []kill{{1, at(35), at(38), at(5000)}}
	for name, test := range map[string]struct {
		acks    []ack
		list    []int64
		kills   []kill
		lost    losses
		doubled int
	}{
		"all there":                     {acked(10, 20, 30), []int64{10, 20, 30}, nil, losses{}, 0},
		"one more, not acknowledged":    {acked(10, 30), []int64{10, 20, 30}, nil, losses{}, 0},
		"nothing written":               {nil, nil, nil, losses{}, 0},
		"one lost":                      {acked(10, 20, 30), []int64{10, 30}, nil, losses{Lost: 1}, 0},
		"the end lost, and nobody died": {acked(10, 20, 30), []int64{10}, nil, losses{Lost: 2}, 0},
		"the end lost with the leader":  {acked(10, 20, 30), []int64{10}, died, losses{Excused: 2}, 0},
		"and others came after":         {acked(10, 20, 30, 40, 50), []int64{10, 40, 50}, died, losses{Excused: 2}, 0},
		"in the middle of its death":    {acked(10, 36, 50), []int64{10, 50}, died, losses{Excused: 1}, 0},
		"a hole before the end":         {acked(10, 20, 30, 40), []int64{10, 30, 40}, died, losses{Lost: 1}, 0},
		"another leader died":           {acked(10, 20, 30, 40), []int64{10, 40}, other, losses{Lost: 2}, 0},
		"heard of late":                 {acked(10, 30, 40, 50), []int64{10, 30, 50}, died, losses{Excused: 1}, 0},
		"long after the death":          {acked(10, 4000, 4010, 4020), []int64{10, 4000, 4020}, died, losses{Lost: 1}, 0},
		"the end, long after the death": {acked(10, 4000, 4010), []int64{10, 4000}, died, losses{Lost: 1}, 0},
		"taken when it was back":        {acked(10, 4000, 4010, 6000), []int64{10, 6000}, back, losses{Aside: 2}, 0},
		"lost when it was home":         {acked(10, 6000, 6010), []int64{10, 6010}, back, losses{Lost: 1}, 0},
		"twice there":                   {acked(10, 20), []int64{10, 20, 10}, nil, losses{}, 1},
		"twice there, unacknowledged":   {acked(10), []int64{10, 20, 20, 20}, nil, losses{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lost, doubled := judgeList(test.acks, test.list, test.kills)
			if lost != test.lost || doubled != test.doubled {
				t.Errorf("%+v, %d doubled, want %+v, %d", lost, doubled, test.lost, test.doubled)
			}
		})
	}
}

func TestJudgeCounter(t *testing.T) {
	t.Parallel()
	answers := func(values ...int64) []ack {
		all := make([]ack, 0, len(values))
		for i, v := range values {
			all = append(all, ack{v, at(10 * (i + 1)), 1})
		}
		return all
	}
	died := []kill{{1, at(25), at(28), at(28)}}
	for name, test := range map[string]struct {
		acks  []ack
		final int64
		kills []kill
		want  losses
	}{
		"all there":           {answers(1, 2, 3), 3, nil, losses{}},
		"more than was told":  {answers(1, 3, 4), 6, nil, losses{}},
		"never raised":        {nil, 0, nil, losses{}},
		"a step back":         {answers(1, 2, 2, 3), 3, nil, losses{Lost: 1}},
		"two steps back":      {answers(1, 2, 1), 1, nil, losses{Lost: 2}},
		"less at the end":     {answers(1, 2, 3), 1, nil, losses{Lost: 2}},
		"back, with a leader": {answers(5, 6, 5, 6), 6, died, losses{Excused: 2}},
		"back, before that":   {answers(5, 5, 6, 7), 7, died, losses{Lost: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := judgeCounter(test.acks, test.final, test.kills); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestJudgeTasks(t *testing.T) {
	t.Parallel()
	died := []kill{{1, at(15), at(16), at(16)}}
	for name, test := range map[string]struct {
		results map[string]string
		runs    int // of the first task
		finals  int
		kills   []kill
		want    tasksVerdict
	}{
		"well":                     {map[string]string{"a": "0", "b": "0"}, 1, 1, nil, tasksVerdict{}},
		"no end heard":             {map[string]string{"a": "0", "b": "0"}, 1, 0, nil, tasksVerdict{}},
		"no result":                {map[string]string{"b": "0"}, 1, 0, nil, tasksVerdict{Lost: losses{Lost: 1}}},
		"died with the leader":     {map[string]string{"b": "0"}, 0, 0, died, tasksVerdict{Lost: losses{Excused: 1}}},
		"ran twice":                {map[string]string{"a": "0", "b": "0"}, 2, 1, nil, tasksVerdict{Doubled: 1}},
		"ran twice, its node died": {map[string]string{"a": "0", "b": "0"}, 2, 1, died, tasksVerdict{Again: 1}},
		"ran thrice, that died":    {map[string]string{"a": "0", "b": "0"}, 3, 1, died, tasksVerdict{Doubled: 1}},
		"ran twice, another died":  {map[string]string{"a": "0", "b": "0"}, 2, 1, []kill{{2, at(15), at(16), at(16)}}, tasksVerdict{Doubled: 1}},
		"two ends":                 {map[string]string{"a": "0", "b": "0"}, 1, 2, nil, tasksVerdict{Doubled: 1}},
		"told again, one died":     {map[string]string{"a": "0", "b": "0"}, 1, 2, died, tasksVerdict{}},
		"told thrice, one died":    {map[string]string{"a": "0", "b": "0"}, 1, 3, died, tasksVerdict{Doubled: 1}},
		"failed":                   {map[string]string{"a": "7", "b": "0"}, 1, 1, nil, tasksVerdict{Failed: 1}},
		"interrupted by nobody":    {map[string]string{"a": "12", "b": "0"}, 1, 1, nil, tasksVerdict{Failed: 1}},
		"interrupted by a kill":    {map[string]string{"a": "12", "b": "0"}, 1, 1, died, tasksVerdict{Cut: 1}},
		"failed, and one died":     {map[string]string{"a": "7", "b": "0"}, 1, 1, died, tasksVerdict{Failed: 1}},
		"one not pushed ran well":  {map[string]string{"a": "0", "b": "0", "c": "0"}, 1, 1, nil, tasksVerdict{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tasks := []task{{"a", 1, at(10), true}, {"b", 2, at(20), true}, {"c", 3, at(30), false}}
			acks := []ack{{0, at(11), 1}, {1, at(21), 1}}
			seen := tasksSeen{results: test.results, runs: map[string]int{"a": test.runs, "b": 1}, finals: map[string]int{"a": test.finals}}
			var got tasksVerdict
			got.judge(tasks, acks, seen, test.kills)
			wrong := got.Again+got.Doubled+got.Failed+got.Lost.Lost+got.Lost.Excused > 0
			if wrong != (len(got.Details) > 0) {
				t.Errorf("the details are %q", got.Details)
			}
			got.Details = nil
			want := test.want
			if want.Pushed = 2; got.Pushed != want.Pushed || got.Lost != want.Lost || got.Doubled != want.Doubled || got.Failed != want.Failed || got.Cut != want.Cut || got.Again != want.Again {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestIsFinal(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{
		`{"status":"pending","progress":0}`:           false,
		`{"status":"running","progress":100}`:         false,
		`{"status":"completed","progress":100}`:       true,
		`{"status":"aborted","progress":0}`:           true,
		`{"status":"validation-failed","progress":0}`: true,
		`no JSON`: false,
	} {
		if got := isFinal(payload); got != want {
			t.Errorf("%s: %t", payload, got)
		}
	}
}
