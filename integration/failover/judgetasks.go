package main

import (
	"fmt"
	"slices"
)

// tasksSeen is all that can be seen of tasks at the end.
type tasksSeen struct {
	results map[string]string // exit codes, by task
	runs    map[string]int
	finals  map[string]int
}

// tasksVerdict is what became of them.
type tasksVerdict struct {
	Pushed  int // and acknowledged
	Lost    losses
	Doubled int // ran twice, or ended twice
	Again   int // ran again on a node that was killed, whose Redis came back with older data
	Failed  int // ended with another exit code than 0, although nobody killed the agent
	Cut     int // ended as interrupted: their node was killed
	Details []string
}

func (v *tasksVerdict) note(t task, why string) {
	v.Details = append(v.Details, fmt.Sprintf("task %s of node %d: %s", t.ID, t.Node, why))
}

// interrupted is the exit code of a task whose agent was killed in the middle of a step.
const interrupted = "12"

// judge looks at the tasks of one client.
func (v *tasksVerdict) judge(tasks []task, acks []ack, seen tasksSeen, kills []kill) {
	v.Pushed += len(acks)
	v.Lost = v.Lost.plus(judgeMissing(acks, func(a ack) bool { return seen.results[tasks[a.value].ID] == "" }, kills))
	for _, t := range tasks {
		code, ended := seen.results[t.ID]
		// A leader's successor may lack a result that is then told again.
		told := 1 + killsAfter(kills, t)
		switch {
		case seen.runs[t.ID] > 1 && seen.runs[t.ID] <= 1+killsAfter(ofNode(kills, t.Node), t):
			v.Again++
			v.note(t, fmt.Sprintf("ran %d times, the last after its node was killed", seen.runs[t.ID]))
		case seen.runs[t.ID] > 1:
			v.Doubled++
			v.note(t, fmt.Sprintf("ran %d times", seen.runs[t.ID]))
		case seen.finals[t.ID] > told:
			v.Doubled++
			v.note(t, fmt.Sprintf("its end was told %d times", seen.finals[t.ID]))
		case !ended && t.Acked:
			v.note(t, fmt.Sprintf("no result; it ran %d times", seen.runs[t.ID]))
		case ended && code == interrupted && told > 1:
			v.Cut++
		case ended && code != "0":
			v.Failed++
			v.note(t, "exit code "+code)
		}
	}
}

// ofNode are the kills of one node.
func ofNode(kills []kill, node int) []kill {
	return slices.DeleteFunc(slices.Clone(kills), func(k kill) bool { return k.node != node })
}

// killsAfter is how many leaders were killed after a task was pushed.
func killsAfter(kills []kill, t task) int {
	return len(slices.DeleteFunc(slices.Clone(kills), func(k kill) bool { return k.ended.Before(t.Began) }))
}
