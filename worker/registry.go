package worker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Registry knows all actions (or handlers of events) of an agent: those
// compiled in, and those of its sources, merged when they are looked up.
type Registry struct {
	compiled map[string]Action
	sources  []Source
}

// NewRegistry takes the compiled-in actions and the sources, a later one of
// which replaces steps of an earlier one. An action or a step that is named
// twice among the compiled-in ones, or has no name, is an error.
func NewRegistry(compiled []Action, sources ...Source) (*Registry, error) {
	r := &Registry{compiled: make(map[string]Action, len(compiled)), sources: sources}
	for _, action := range compiled {
		if _, twice := r.compiled[action.Name]; twice {
			return nil, fmt.Errorf("register action %q: registered twice", action.Name)
		}
		sorted, err := sortSteps(action)
		if err != nil {
			return nil, fmt.Errorf("register action %q: %w", action.Name, err)
		}
		r.compiled[action.Name] = sorted
	}
	return r, nil
}

func sortSteps(action Action) (Action, error) {
	if action.Name == "" {
		return Action{}, errors.New("an action needs a name")
	}
	action.Steps = slices.Clone(action.Steps)
	slices.SortFunc(action.Steps, compareSteps)
	for i, step := range action.Steps {
		if step.Name == "" || step.Run == nil || step.Weight < 0 {
			return Action{}, fmt.Errorf("step %d (%q) needs a name, a function and no negative weight", i, step.Name)
		}
		if i > 0 && step.Name == action.Steps[i-1].Name {
			return Action{}, fmt.Errorf("step %q is there twice", step.Name)
		}
	}
	return action, nil
}

// Lookup merges what is known of an action now. An unknown one has no steps.
func (r *Registry) Lookup(name string) (Action, error) {
	action := r.compiled[name]
	action.Name = name
	for _, source := range r.sources {
		found, err := source.Lookup(name)
		if err != nil {
			return Action{Name: name}, fmt.Errorf("look up %q: %w", name, err)
		}
		action = action.override(found)
	}
	return action, nil
}

// Names lists all actions, sorted, each once. A source that cannot be read is
// named in the error; the others are listed all the same.
func (r *Registry) Names() ([]string, error) {
	names := slices.Collect(maps.Keys(r.compiled))
	var failures []error
	for _, source := range r.sources {
		more, err := source.Names()
		if err != nil {
			failures = append(failures, err)
		}
		names = append(names, more...)
	}
	slices.Sort(names)
	return slices.Compact(names), errors.Join(failures...)
}
