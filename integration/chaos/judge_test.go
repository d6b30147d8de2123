package main

import (
	"fmt"
	"strings"
	"testing"
)

// made is a history of one task that went well, with something changed.
func made(kind string, code int, change func(h *history)) history {
	ran := map[string]int{}
	if kindsByName()[kind].most > 0 {
		for step := range steps()[kindsByName()[kind].action] {
			ran[step] = 1
		}
	}
	h := history{
		Tasks:   []task{{ID: "t1", Kind: kind, Acked: true, Waited: true, Answered: true}},
		Runs:    map[string]map[string]int{"t1": ran},
		Finals:  map[string][]string{"t1": {statusOf(code)}},
		Results: map[string]result{"t1": {Code: code, Output: kindsByName()[kind].wantOutput("t1"), Size: bigOutput}},
	}
	if change != nil {
		change(&h)
	}
	return h
}

// gone is what keys hold that are not there.
func gone() map[string]result {
	return map[string]result{"t1": {Missing: parts(), Code: -1}}
}

// counts are the lengths of a verdict's lists.
func counts(v verdict) string {
	var words []string
	for _, list := range []struct {
		name string
		n    int
	}{
		{"lost", len(v.Lost)},
		{"doubled", len(v.Doubled)},
		{"unanswered", len(v.Unanswered)},
		{"wrong", len(v.Wrong)},
		{"left", len(v.Left)},
		{"eternal", len(v.Eternal)},
		{"trouble", len(v.Trouble)},
	} {
		if list.n > 0 {
			words = append(words, fmt.Sprintf("%s %d", list.name, list.n))
		}
	}
	return strings.Join(words, ", ")
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h    history
		want string
	}{
		"nothing":                {history{}, ""},
		"well":                   {made("one step", 0, nil), ""},
		"failing as it has to":   {made("failing", 7, nil), ""},
		"interrupted":            {made("three steps", 12, func(h *history) { h.Runs["t1"] = map[string]int{"10": 1} }), ""},
		"interrupted before":     {made("one step", 12, func(h *history) { h.Runs = nil }), ""},
		"stopped":                {made("300 ms", 14, nil), ""},
		"invalid input":          {made("invalid input", 10, nil), ""},
		"nothing to cancel":      {made("cancel-task", 2, nil), ""},
		"cancelled":              {made("cancelled, running", 143, nil), ""},
		"cancelled before":       {made("cancelled, waiting", 13, func(h *history) { h.Runs = nil }), ""},
		"ran three times, may":   {made("repeatable", 0, func(h *history) { h.Runs["t1"]["10"] = 3 }), ""},
		"published while nobody": {made("one step", 0, func(h *history) { h.Finals = nil }), ""},
		"not acknowledged, gone": {made("one step", 0, func(h *history) {
			h.Tasks[0] = task{ID: "t1", Kind: "one step"}
			h.Runs, h.Finals, h.Results = nil, nil, nil
		}), ""},
		"not acknowledged, ran":   {made("one step", 0, func(h *history) { h.Tasks[0] = task{ID: "t1", Kind: "one step"} }), ""},
		"lost":                    {made("one step", 0, func(h *history) { h.Results = gone(); h.Finals = nil }), "lost 1"},
		"lost, as nobody saw it":  {made("list-actions", 0, func(h *history) { h.Results, h.Finals, h.Runs = nil, nil, nil }), "lost 1"},
		"published, not stored":   {made("one step", 0, func(h *history) { h.Results = gone() }), "lost 1"},
		"half a result":           {made("one step", 0, func(h *history) { h.Results = map[string]result{"t1": {Missing: []string{"error"}}} }), "lost 1"},
		"ran twice":               {made("three steps", 0, func(h *history) { h.Runs["t1"]["20"] = 2 }), "doubled 1"},
		"not acknowledged, twice": {made("one step", 0, func(h *history) { h.Tasks[0].Acked = false; h.Runs["t1"]["10"] = 2 }), "doubled 1"},
		"ran four times":          {made("repeatable", 0, func(h *history) { h.Runs["t1"]["10"] = 4 }), "doubled 1"},
		"published twice":         {made("one step", 0, func(h *history) { h.Finals["t1"] = []string{"completed", "completed"} }), "doubled 1"},
		"two results":             {made("one step", 12, func(h *history) { h.Finals["t1"] = []string{"completed", "aborted"} }), "doubled 1"},
		"result changed":          {made("one step", 12, func(h *history) { h.Finals["t1"] = []string{"completed"} }), "doubled 1"},
		"unanswered":              {made("one step", 0, func(h *history) { h.Tasks[0].Answered = false }), "unanswered 1"},
		"lost and unanswered":     {made("one step", 0, func(h *history) { h.Results = gone(); h.Tasks[0].Answered = false }), "lost 1, unanswered 1"},
		"another's exit code":     {made("one step", 7, nil), "wrong 1"},
		"another's output":        {made("one step", 0, func(h *history) { h.Results["t1"] = result{Output: "t2\n"} }), "wrong 1"},
		"half the output":         {made("big output", 0, func(h *history) { h.Results["t1"] = result{Size: 100} }), "wrong 1"},
		"completed, did not run":  {made("three steps", 0, func(h *history) { delete(h.Runs["t1"], "20") }), "wrong 1"},
		"ran with invalid input":  {made("invalid input", 10, func(h *history) { h.Runs["t1"]["10"] = 1 }), "wrong 1"},
		"left":                    {made("one step", 0, func(h *history) { h.Progress, h.Queued = []string{"{}"}, []string{"{}"} }), "left 2"},
		"stays for ever":          {made("one step", 0, func(h *history) { h.Eternal = []string{"k"} }), "eternal 1"},
		"trouble":                 {made("one step", 0, func(h *history) { h.Trouble = []string{"the agent ended"} }), "trouble 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judge(c.h)
			if got := counts(v); got != c.want {
				t.Errorf("found %q, want %q: %v", got, c.want, v.findings())
			}
			if v.good() != (c.want == "") {
				t.Errorf("good is %v", v.good())
			}
		})
	}
}

// TestJudgeEmptied: what Redis forgot is judged by what the agent had begun.
func TestJudgeEmptied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		emptied int
		change  func(h *history)
		want    string
	}{
		"stored again":              {1, nil, ""},
		"waited in the queue":       {1, func(h *history) { h.Results, h.Runs, h.Finals, h.Tasks[0].Answered = gone(), nil, nil, false }, ""},
		"arrived before":            {1, func(h *history) { h.Results = gone() }, ""},
		"published in both lives":   {1, func(h *history) { h.Finals["t1"] = []string{"completed", "completed"} }, ""},
		"was running, did not come": {1, func(h *history) { h.Results, h.Finals = gone(), nil }, "lost 1"},
		"three in two lives":        {1, func(h *history) { h.Finals["t1"] = []string{"completed", "completed", "completed"} }, "doubled 1"},
		"another in each":           {1, func(h *history) { h.Finals["t1"] = []string{"completed", "aborted"} }, "doubled 1"},
		"stored, and no answer":     {1, func(h *history) { h.Tasks[0].Answered = false }, "unanswered 1"},
		"pushed after it": {1, func(h *history) {
			h.Tasks[0].Era, h.Tasks[0].Exposed, h.Results, h.Runs, h.Finals = 1, 0, gone(), nil, nil
		}, "lost 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judge(made("one step", 0, func(h *history) {
				h.Losses, h.Tasks[0].Exposed = c.emptied, c.emptied
				if c.change != nil {
					c.change(h)
				}
			}))
			if got := counts(v); got != c.want {
				t.Errorf("found %q, want %q: %v", got, c.want, v.findings())
			}
		})
	}
}

// TestJudgeRolledBack: a task that the dataset of before has is judged as strictly as
// any, but that its result may have been stored, and told, twice.
func TestJudgeRolledBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		exposed int // of one loss
		change  func(h *history)
		want    string
	}{
		"stored again":                 {0, func(h *history) { h.Finals["t1"] = []string{"completed", "completed"} }, ""},
		"ran again":                    {0, func(h *history) { h.Runs["t1"]["10"] = 2 }, "doubled 1"},
		"not stored again":             {0, func(h *history) { h.Results = gone() }, "lost 1"},
		"never ran":                    {0, func(h *history) { h.Results, h.Runs, h.Finals = gone(), nil, nil }, "lost 1"},
		"told, and the keys are gone":  {1, func(h *history) { h.Results = gone() }, ""},
		"its push is gone":             {1, func(h *history) { h.Results, h.Runs, h.Finals, h.Tasks[0].Answered = gone(), nil, nil, false }, ""},
		"its push is gone, and it ran": {1, func(h *history) { h.Results, h.Finals = gone(), nil }, "lost 1"},
		"its push is gone, twice run":  {1, func(h *history) { h.Runs["t1"]["10"] = 2 }, "doubled 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judge(made("one step", 0, func(h *history) {
				h.Losses, h.Tasks[0].Exposed = 1, c.exposed
				c.change(h)
			}))
			if got := counts(v); got != c.want {
				t.Errorf("found %q, want %q: %v", got, c.want, v.findings())
			}
		})
	}
}

// TestKinds: what the judge knows of a kind fits the actions there are.
func TestKinds(t *testing.T) {
	t.Parallel()
	if len(kindsByName()) != len(kinds()) {
		t.Error("two kinds have one name")
	}
	for _, k := range kinds() {
		if _, has := steps()[k.action]; has != (k.most > 0) && k.name != "invalid input" {
			t.Errorf("%s: steps: %v, runs: %d", k.name, has, k.most)
		}
		if k.mayEnd(99) || !k.mayEnd(exitInterrupted) || !k.mayEnd(k.codes[0]) {
			t.Errorf("%s may end with the wrong codes", k.name)
		}
	}
	for code, status := range map[int]string{
		0: "completed", 2: "validation-failed", 7: "aborted", 8: "aborted", 10: "validation-failed", 12: "aborted", 143: "aborted",
	} {
		if got := statusOf(code); got != status {
			t.Errorf("exit code %d is %s", code, got)
		}
	}
}
