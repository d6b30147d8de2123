package worker

import (
	"context"
	"slices"
	"strings"
)

// Step is one part of an action or of an event's handler.
type Step struct {
	// Name orders the steps of an action (byte order) and is what a file must
	// be called to replace the step, for example 10endpoint.
	Name string
	// Weight is the step's share of the progress; 0 means 1.
	Weight int
	// Run does the work. nil: all well. An error decides the outcome, see
	// [Exit], [Skip] and [Call.Invalid]; any other error is exit code 1.
	Run func(ctx context.Context, c *Call) error
}

// Schema is a JSON Schema (draft-07). Name says where it comes from.
type Schema struct {
	Name   string
	Source []byte
}

// Action is a name and an ordered list of steps. A handler of an event is one too.
type Action struct {
	Name   string
	Input  Schema // what the input must satisfy; none if its Name is empty
	Output Schema // what the output must satisfy
	Steps  []Step
	// Repeatable declares that the action may be run again after it was
	// interrupted, at whichever step, without harm.
	Repeatable bool
	// EndsOnReplica says that the action may turn the agent's own Redis into a
	// replica, which takes no result: the final status is told there all the same,
	// for the client that waits on this node.
	EndsOnReplica bool
}

// override puts the parts of other over those of a: steps of the same name and
// schemas are replaced, new steps take their place in the order of names.
func (a Action) override(other Action) Action {
	merged := a
	merged.Steps = slices.Clone(a.Steps)
	// What steps of others do is known to those who declare it.
	merged.Repeatable = other.Repeatable || a.Repeatable && len(other.Steps) == 0
	for _, step := range other.Steps {
		at, found := slices.BinarySearchFunc(merged.Steps, step, compareSteps)
		if found {
			merged.Steps[at] = step
			continue
		}
		merged.Steps = slices.Insert(merged.Steps, at, step)
	}
	if other.Input.Name != "" {
		merged.Input = other.Input
	}
	if other.Output.Name != "" {
		merged.Output = other.Output
	}
	return merged
}

func compareSteps(a, b Step) int { return strings.Compare(a.Name, b.Name) }
