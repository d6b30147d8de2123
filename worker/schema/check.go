package schema

import (
	"encoding/json"
	"strings"
)

// outcome collects what a rule finds in a value.
type outcome struct {
	violations []Violation
	size       int // of the violations, in bytes; bounded by maxKept
	dropped    int // violations beyond that
	// score tells how close a value came to a rule that it fails. It decides
	// which branch of an anyOf, oneOf or contains is reported, so its numbers
	// are those of the other agents: see the constants below.
	score int
}

const (
	scoreViolation = -2 // for each violation
	scorePlain     = 3  // for a null or boolean of the right type, whatever else is wrong
	scoreOther     = 4  // the same for all other values
	scorePattern   = 1  // for each property that a patternProperties mentions
	scoreRequired  = 1  // for each required property that is there
)

// ok tells whether nothing was found.
func (o *outcome) ok() bool { return len(o.violations) == 0 }

// maxKept bounds the violations that are kept: each holds its path, which may be
// as long as the document. It is far more than fits into a report.
const maxKept = 8 << 20

// keep adds a violation, unless there are too many; one is always kept.
func (o *outcome) keep(v Violation) {
	if o.size >= maxKept {
		o.dropped++
		return
	}
	o.violations = append(o.violations, v)
	o.size += v.size()
}

// walker applies rules to values and knows where in the document it is.
type walker struct {
	path  []string // names of properties and indexes of items
	left  int      // effort, see spend
	depth int      // of rules within rules
}

// report adds a violation of the value at the current place.
func (w *walker) report(found *outcome, name string, value any, detail ...string) {
	if !w.spend(costViolation) {
		return
	}
	found.score += scoreViolation
	if found.size >= maxKept {
		found.dropped++
		return
	}
	violation := newViolation(w.path, name, value, strings.Join(detail, ""))
	w.spend(violation.size())
	found.keep(violation)
}

// add takes over what was found in an outcome of its own.
func (w *walker) add(found, other *outcome) {
	if !w.spend(costLook * len(other.violations)) {
		return
	}
	for _, violation := range other.violations {
		found.keep(violation)
	}
	found.dropped += other.dropped
	found.score += other.score
}

// try applies a rule to the value at the current place, with an outcome of its own.
func (w *walker) try(r *rule, value any) *outcome {
	found := &outcome{}
	w.check(r, value, found)
	return found
}

// child applies a rule to a member of the value at the current place.
func (w *walker) child(r *rule, name string, value any, found *outcome) {
	w.path = append(w.path, name)
	w.check(r, value, found)
	w.path = w.path[:len(w.path)-1]
}

// check applies a rule to the value at the current place, if there is enough
// effort left.
func (w *walker) check(r *rule, value any, found *outcome) {
	if w.enter() {
		w.apply(r, value, found)
	}
	w.leave()
}

// apply does what check promises. A value of the wrong type has that one
// violation: nothing else is looked at.
func (w *walker) apply(r *rule, value any, found *outcome) {
	for ; r.ref != nil; r = r.ref {
		w.spend(costLook)
	}
	if r.boolean != nil {
		if !*r.boolean {
			w.report(found, "false", value, "Nothing is allowed here")
		}
		return
	}
	kind := w.kindOf(value)
	if r.types != 0 && !r.types.admits(kind) {
		w.report(found, "invalid_type", value, "Invalid type. Expected: ", r.types.String(), ", given: ", kind.String())
		return
	}
	found.score += scoreOf(kind)
	w.checkBranches(r, value, found)
	w.checkLiterals(r, value, found)
	switch value := value.(type) {
	case json.Number:
		w.checkNumber(r, value, found)
	case string:
		w.checkText(r, value, found)
	case []any:
		w.checkArray(&r.array, value, found)
	case map[string]any:
		w.checkObject(&r.object, value, found)
	}
}

// kindOf returns the narrowest type of a decoded value.
func (w *walker) kindOf(value any) kinds {
	switch value := value.(type) {
	case bool:
		return kindBoolean
	case json.Number:
		w.spend(len(value))
		if parseDecimal(value).integer() {
			return kindInteger
		}
		return kindNumber
	case string:
		return kindString
	case []any:
		return kindArray
	case map[string]any:
		return kindObject
	}
	return kindNull
}

// scoreOf is what a value of the right type is worth.
func scoreOf(kind kinds) int {
	if kind == kindNull || kind == kindBoolean {
		return scorePlain
	}
	return scoreOther
}
