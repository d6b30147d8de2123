package schema

import (
	"cmp"
	"slices"
	"strings"
)

// rootField is the field of a violation of the document as a whole.
const rootField = "(root)"

// Violation is one thing wrong with a document. Its JSON is what the output of
// a rejected task holds, one object per violation.
type Violation struct {
	Parameter string `json:"parameter"` // first element of the field
	Error     string `json:"error"`     // parameter, "_", name of the violation: n_invalid_type
	Value     any    `json:"value"`     // the offending value, its numbers as json.Number
	Field     string `json:"field"`     // dotted path, items.0.ip, or (root)

	detail string
}

// maxDetail bounds what is said to people: a schema may have a list of thousands
// of values, or a pattern as long as itself.
const maxDetail = 4 << 10

// size is about what the violation takes of memory, its value aside.
func (v Violation) size() int {
	return costViolation + 2*len(v.Field) + len(v.Parameter) + len(v.detail)
}

// String says, for people, where and what: "n: Invalid type. Expected: integer, given: string".
func (v Violation) String() string { return v.Field + ": " + v.detail }

// newViolation names a fault of the value at a path.
func newViolation(path []string, name string, value any, detail string) Violation {
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	field := rootField
	if len(path) > 0 {
		field = strings.Join(path, ".")
	}
	parameter, _, _ := strings.Cut(field, ".")
	return Violation{
		Parameter: parameter,
		Error:     parameter + "_" + name,
		Value:     value,
		Field:     field,
		detail:    detail,
	}
}

// sortViolations gives an order that does not depend on that of Go's maps.
func sortViolations(violations []Violation) {
	slices.SortFunc(violations, func(a, b Violation) int {
		return cmp.Or(
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Error, b.Error),
			cmp.Compare(a.detail, b.detail),
		)
	})
}
