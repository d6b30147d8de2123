package schema

import "errors"

// errEffort is what a document meets that would take too long to check.
var errEffort = errors.New("checking the document against the schema takes too long: it is too large or too deep for it")

// A check may take so much effort, in units of roughly a nanosecond: a moment, and
// two seconds for each MiB of the document. Most take a few microseconds. But branches that refer back to the schema they are in, as in
// the schema of a tree, are tried again at each level of the document: with two
// of them, 40 levels, in 200 bytes, would take hours.
const (
	baseEffort    = 50_000_000
	effortPerByte = 2000
	// maxNesting bounds the depth of rules within rules. A document may be 10,000
	// levels deep, which is the limit of encoding/json.
	maxNesting = 100_000
)

// What things cost.
const (
	costRule      = 50
	costLook      = 20   // for a name in a list of a schema, or a step in one
	costViolation = 250  // and as many bytes of memory
	costFraction  = 5000 // for comparing a number that is no short integer
	// A byte is matched by each instruction of a pattern only in bad cases.
	matchesPerUnit = 4
)

// spend takes effort from what is left; false if that was not enough. From then
// on the walk comes to its end without looking at anything, and what it would
// say counts for nothing.
func (w *walker) spend(effort int) bool {
	w.left -= effort
	return !w.exhausted()
}

func (w *walker) exhausted() bool { return w.left < 0 }

// enter begins to apply a rule; false if that would be too much.
func (w *walker) enter() bool {
	if w.depth >= maxNesting {
		w.left = -1
	}
	w.depth++
	return w.spend(costRule)
}

func (w *walker) leave() { w.depth-- }
