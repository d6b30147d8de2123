package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Exit codes of the protocol that any task may come to when its agent ends.
const (
	exitInvalid     = 10
	exitInterrupted = 12
	exitCancelled   = 13
	exitStopped     = 14
	exitTerminated  = 128 + 15
)

// kind is a sort of task.
type kind struct {
	name   string
	weight int // how often it is drawn; 0: only together with another
	action string
	data   string
	cancel cancelling
	codes  []int // that it may end with, besides exitInterrupted and exitStopped
	most   int   // times that a step may run; 0 for tasks that must not run any
	output string
	bytes  int // least size of the output of a task that ends with 0
}

// cancelling says whether a task is followed by a cancel-task for it, which meets
// it running, or comes after it, which meets it waiting.
type cancelling int

const (
	notCancelled cancelling = iota
	cancelledRunning
	cancelledWaiting
)

const (
	listActions = "list-actions"
	cancelTask  = "cancel-task"
	repeatable  = "again" // the action that is declared safe to run again
	bigOutput   = 100_000
	mostRuns    = 3 // of a repeatable step
)

// kinds are all there are.
func kinds() []kind {
	cancelled := []int{0, exitCancelled, exitTerminated}
	return []kind{
		{name: "one step", weight: 30, action: "echo", codes: []int{0}, most: 1, output: "$ID\n"},
		{name: "three steps", weight: 12, action: "three", codes: []int{0}, most: 1, output: "10\n20\n30\n"},
		{name: "5 ms", weight: 12, action: "sleep-005", codes: []int{0}, most: 1},
		{name: "50 ms", weight: 8, action: "sleep-050", codes: []int{0}, most: 1},
		{name: "300 ms", weight: 3, action: "sleep-300", codes: []int{0}, most: 1},
		{name: "failing", weight: 6, action: "fail", codes: []int{7}, most: 1},
		{name: "dying", weight: 4, action: "die", codes: []int{128 + 9}, most: 1},
		{name: "big output", weight: 2, action: "big", codes: []int{0}, most: 1, bytes: bigOutput},
		{name: "invalid input", weight: 5, action: "checked", data: "{}", codes: []int{exitInvalid}},
		{name: "unknown action", weight: 4, action: "no-such-action", codes: []int{8}},
		{name: "list-actions", weight: 4, action: listActions, codes: []int{0}, bytes: 2},
		{name: "cancelled, running", weight: 3, action: "sleep-300", cancel: cancelledRunning, codes: cancelled, most: 1},
		{name: "cancelled, waiting", weight: 3, action: "sleep-300", cancel: cancelledWaiting, codes: cancelled, most: 1},
		{name: cancelTask, action: cancelTask, codes: []int{0, 2}},
		{name: "repeatable", weight: 8, action: repeatable, codes: []int{0}, most: mostRuns},
	}
}

// kindsByName are the same, to be looked up.
func kindsByName() map[string]kind {
	all := map[string]kind{}
	for _, k := range kinds() {
		all[k.name] = k
	}
	return all
}

// mayEnd tells whether a task of this kind may have an exit code.
func (k kind) mayEnd(code int) bool {
	return code == exitInterrupted || code == exitStopped || slices.Contains(k.codes, code)
}

// statusOf is the final status that belongs to an exit code of these kinds.
func statusOf(code int) string {
	const noSuchTask = 2
	switch code {
	case 0:
		return "completed"
	case noSuchTask, exitInvalid:
		return "validation-failed"
	}
	return "aborted"
}

// steps are the scripts of each action's steps.
func steps() map[string]map[string]string {
	return map[string]map[string]string{
		"echo":      {"10": `echo "$AGENT_TASK_ID"`},
		"three":     {"10": "echo 10", "20": "echo 20", "30": "echo 30"},
		"sleep-005": {"10": "exec sleep 0.005"},
		"sleep-050": {"10": "exec sleep 0.05"},
		"sleep-300": {"10": "exec sleep 0.3"},
		"fail":      {"10": "exit 7"},
		"die":       {"10": "kill -KILL $$"},
		"big":       {"10": fmt.Sprintf("exec head -c %d /dev/zero", bigOutput)},
		"checked":   {"10": ":"},
		repeatable:  {"10": "exec sleep 0.03"},
	}
}

// noteRun is what each step does first: one line, in one write, at the end of
// the file of runs. The shell needs no other process for it.
const noteRun = "#!/bin/sh\necho \"$AGENT_TASK_ID ${0##*/}\" >>\"$CHAOS_DIR/runs\"\n"

const schemaOfChecked = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["name"],"properties":{"name":{"type":"string"}}}`

// writeActions fills an actions directory.
func writeActions(dir string) error {
	for action, scripts := range steps() {
		if err := os.MkdirAll(filepath.Join(dir, action), 0o750); err != nil {
			return fmt.Errorf("make an action: %w", err)
		}
		for _, step := range slices.Sorted(maps.Keys(scripts)) {
			path := filepath.Join(dir, action, step)
			if err := os.WriteFile(path, []byte(noteRun+scripts[step]+"\n"), 0o700); err != nil { //nolint:gosec // a step is executable
				return fmt.Errorf("write a step: %w", err)
			}
		}
	}
	for path, content := range map[string]string{
		"checked/validate-input.json": schemaOfChecked,
		"repeatable":                  "# safe to run again\n" + repeatable + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// wantOutput is the output of a task of this kind that ended with 0; empty if
// any will do.
func (k kind) wantOutput(id string) string { return strings.ReplaceAll(k.output, "$ID", id) }
