package schema

import (
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// rule is what one schema demands of a value. A nil or zero part demands nothing.
type rule struct {
	boolean  *bool // the schema is just true or false
	ref      *rule // the schema is a $ref; all else beside it is ignored
	types    kinds
	constant *literals
	enum     *literals

	allOf, anyOf, oneOf   []*rule
	not                   *rule
	when, then, otherwise *rule

	object objectRule
	array  arrayRule
	text   textRule
	number numberRule

	format     format // nil: none, or one that is not checked
	formatName string
}

// objectRule is what a schema demands of an object.
type objectRule struct {
	fewest, most *int
	required     []string
	properties   map[string]*rule
	patterns     []patternRule
	additional   *rule // for properties that neither of the two above mentions
	closed       bool  // "additionalProperties": false
	names        *rule
	dependencies []dependency
}

// patternRule holds for properties whose names match.
type patternRule struct {
	names *pattern
	value *rule
}

// dependency says what the presence of a property brings with it.
type dependency struct {
	property string
	required []string
	rule     *rule // nil if it is a list
}

// arrayRule is what a schema demands of an array.
type arrayRule struct {
	fewest, most *int
	unique       bool
	each         *rule   // "items" that is a schema
	tuple        []*rule // "items" that is a list
	additional   *rule   // for items behind the tuple
	closed       bool    // "additionalItems": false
	contains     *rule
}

// textRule is what a schema demands of a string. Lengths count code points.
type textRule struct {
	fewest, most *int
	pattern      *pattern
}

// numberRule is what a schema demands of a number.
type numberRule struct {
	minimum, above, maximum, below, multipleOf *big.Rat
}

// demanding tells whether the value of a number matters at all.
func (r *numberRule) demanding() bool {
	return r.minimum != nil || r.above != nil || r.maximum != nil || r.below != nil || r.multipleOf != nil
}

// kinds is a set of JSON types.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindInteger
	kindNumber
	kindString
	kindArray
	kindObject
)

// kindsOf turns the names of types into a set.
func kindsOf(types *jsonschema.Types) kinds {
	if types == nil {
		return 0
	}
	var set kinds
	for _, name := range types.ToStrings() {
		for kind := kindNull; kind <= kindObject; kind <<= 1 {
			if kind.String() == name {
				set |= kind
			}
		}
	}
	return set
}

// String names the types of a set as schemas do.
func (k kinds) String() string {
	var names []string
	for i, name := range []string{"null", "boolean", "integer", "number", "string", "array", "object"} {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// admits tells whether a value of one kind belongs to a set of kinds.
func (k kinds) admits(kind kinds) bool {
	if kind == kindInteger {
		kind |= kindNumber
	}
	return k&kind != 0
}
