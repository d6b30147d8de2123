package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// history is all that can be seen of a run from outside.
type history struct {
	Tasks    []task
	Losses   int                       // times that Redis has lost what it had acknowledged
	Runs     map[string]map[string]int // of each task: how often each step ran
	Finals   map[string][]string       // of each task: the final statuses published
	Results  map[string]result         // of each task: what its keys hold
	Queued   []string                  // payloads left in the queue
	Progress []string                  // payloads left in progress
	Eternal  []string                  // keys without a TTL
	Trouble  []string                  // what went wrong beside the tasks
}

// result is what the keys of a task hold at the end.
type result struct {
	Missing []string // which of output, error and exit_code are not there
	Code    int
	Output  string // its beginning
	Size    int    // of the output
	Error   string // its beginning
}

// parts are the keys of a result.
func parts() []string { return []string{"output", "error", "exit_code"} }

func (r result) complete() bool { return len(r.Missing) == 0 }

// finding is something wrong with one task.
type finding struct {
	ID  string
	Why string
}

// verdict is what is wrong with a history; each list is to be empty.
type verdict struct {
	Lost       []finding // acknowledged, and without a result
	Doubled    []finding // a step ran twice, or there was more than one result
	Unanswered []finding // a client still waits
	Wrong      []finding // a result that a task of its kind cannot have
	Left       []string  // payloads in progress
	Eternal    []string  // keys without a TTL
	Trouble    []string
}

// judge looks at all tasks.
func judge(h history) verdict {
	v := verdict{Left: append(slices.Clone(h.Progress), h.Queued...), Eternal: h.Eternal, Trouble: h.Trouble}
	all := kindsByName()
	for _, t := range h.Tasks {
		c := newCase(h, t, all[t.Kind])
		collect(&v.Lost, t.ID, c.lost())
		collect(&v.Doubled, t.ID, c.doubled()...)
		collect(&v.Unanswered, t.ID, c.unanswered())
		collect(&v.Wrong, t.ID, c.wrong()...)
	}
	return v
}

// collect adds what was found of a task, as one finding.
func collect(to *[]finding, id string, whys ...string) {
	whys = slices.DeleteFunc(whys, func(why string) bool { return why == "" })
	if len(whys) > 0 {
		*to = append(*to, finding{id, strings.Join(whys, "; ")})
	}
}

// good tells whether nothing is wrong.
func (v verdict) good() bool {
	return len(v.Lost)+len(v.Doubled)+len(v.Unanswered)+len(v.Wrong)+len(v.Left)+len(v.Eternal)+len(v.Trouble) == 0
}

// findings are those of all lists, with the list's name.
func (v verdict) findings() []finding {
	var all []finding
	for _, list := range []struct {
		name     string
		findings []finding
	}{{"LOST", v.Lost}, {"DOUBLED", v.Doubled}, {"UNANSWERED", v.Unanswered}, {"WRONG", v.Wrong}} {
		for _, f := range list.findings {
			all = append(all, finding{f.ID, list.name + ": " + f.Why})
		}
	}
	return all
}

// testimony is all that is known of one task.
type testimony struct {
	task
	kind   kind
	runs   map[string]int
	finals []string
	result result
	// losses is how often Redis has lost writes after the push had begun: the agent
	// cannot know whether a result had arrived before.
	losses int
}

func newCase(h history, t task, k kind) testimony {
	r, known := h.Results[t.ID]
	if !known {
		r.Missing = parts()
	}
	return testimony{task: t, kind: k, runs: h.Runs[t.ID], finals: h.Finals[t.ID], result: r, losses: h.Losses - t.Era}
}

// lost says why a task is. One whose push Redis may have lost counts only if it
// ran: nobody but the agent knew of it then.
func (c testimony) lost() string {
	missing := strings.Join(c.result.Missing, ", ")
	switch {
	case !c.Acked || c.result.complete():
		return ""
	case len(c.result.Missing) < len(parts()):
		return "half a result, without " + missing
	case c.Exposed == 0:
		return "no result"
	case len(c.runs) > 0 && len(c.finals) == 0:
		return "it ran, and its result did not arrive"
	}
	return ""
}

// doubled says what there was twice. Of a task that Redis forgot, an agent that
// got no reply publishes the same status again; it cannot know better.
func (c testimony) doubled() []string {
	var whys []string
	for _, step := range slices.Sorted(maps.Keys(c.runs)) {
		if n := c.runs[step]; n > c.kind.most && c.kind.most > 0 {
			whys = append(whys, fmt.Sprintf("step %s ran %d times", step, n))
		}
	}
	switch {
	case len(c.finals) > 1+c.losses, len(slices.Compact(slices.Sorted(slices.Values(c.finals)))) > 1:
		whys = append(whys, fmt.Sprintf("%d final statuses: %s", len(c.finals), strings.Join(c.finals, ", ")))
	case len(c.finals) > 0 && c.result.complete() && c.finals[0] != statusOf(c.result.Code):
		whys = append(whys, fmt.Sprintf("status %s was published, but the exit code is %d", c.finals[0], c.result.Code))
	}
	return whys
}

// unanswered says why a client waits for ever. What Redis forgot nobody can answer.
func (c testimony) unanswered() string {
	if !c.Waited || c.Answered || (c.Exposed > 0 && !c.result.complete()) {
		return ""
	}
	return "its client still waits"
}

// wrong says what a task of its kind cannot come to.
func (c testimony) wrong() []string {
	var whys []string
	if c.kind.most == 0 && len(c.runs) > 0 {
		whys = append(whys, "a step of it ran")
	}
	if !c.result.complete() {
		return whys
	}
	if !c.kind.mayEnd(c.result.Code) {
		return append(whys, fmt.Sprintf("exit code %d", c.result.Code))
	}
	if c.result.Code != 0 {
		return whys
	}
	for step := range steps()[c.kind.action] {
		if c.runs[step] == 0 {
			whys = append(whys, "it completed without step "+step)
		}
	}
	want := c.kind.wantOutput(c.ID)
	if (want != "" && c.result.Output != want) || c.result.Size < c.kind.bytes {
		whys = append(whys, fmt.Sprintf("its output is %q (%d bytes)", c.result.Output, c.result.Size))
	}
	return whys
}
