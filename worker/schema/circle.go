package schema

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// circle returns a schema that leads back to itself while the value being
// checked stays the same, or nil. Checking anything against it would not end.
func (t *translator) circle() *jsonschema.Schema {
	search := circleSearch{state: map[*rule]visit{}}
	for _, linked := range slices.SortedFunc(maps.Keys(t.done), byLocation) {
		if search.found(t.done[linked]) {
			return linked
		}
	}
	return nil
}

// visit is how far a rule has been searched.
type visit uint8

const (
	unvisited visit = iota
	underway
	finished
)

// circleSearch is a depth-first search over rules.
type circleSearch struct {
	state map[*rule]visit
}

// found tells whether a circle can be reached from a rule.
func (s circleSearch) found(from *rule) bool {
	switch s.state[from] {
	case underway:
		return true
	case finished:
		return false
	case unvisited:
		s.state[from] = underway
	}
	if slices.ContainsFunc(from.sameValue(), s.found) {
		return true
	}
	s.state[from] = finished
	return false
}

// sameValue lists the rules that a rule applies to the value it is itself applied to.
func (r *rule) sameValue() []*rule {
	single := []*rule{r.ref, r.not, r.when, r.then, r.otherwise}
	rules := slices.Concat(single, r.allOf, r.anyOf, r.oneOf)
	for _, dependency := range r.object.dependencies {
		rules = append(rules, dependency.rule)
	}
	return slices.DeleteFunc(rules, func(r *rule) bool { return r == nil })
}
