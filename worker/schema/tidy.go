package schema

import (
	"encoding/json"
	"math/big"
	"strconv"
)

// tidy prepares a decoded schema, in place, for an engine that is stricter than
// the ones its authors tried it with:
//
//   - a $schema that is none of the drafts with names of their own means draft-07;
//   - annotations go, so that a wrong one ("examples" that is no list) cannot
//     keep an action from running;
//   - empty lists, which the drafts forbid and others ignore, go;
//   - lengths that no value has become one that the engine can count to;
//   - a boolean exclusiveMinimum turns into a number unless draft-06 or -07 is declared;
//   - an empty object gets a comment, because the engine makes `true` of it and
//     the two count differently when the closest branch of an anyOf is chosen.
func tidy(doc any) any {
	object, ok := doc.(map[string]any)
	if !ok {
		return doc
	}
	dialect := object["$schema"]
	if uri, ok := dialect.(string); ok && !knownDialect(uri) {
		delete(object, "$schema")
	}
	_, declared := object["$schema"]
	tidier{loose: !declared}.schema(object)
	return doc
}

// knownDialect tells the $schema values that name a draft up to draft-07.
func knownDialect(uri string) bool {
	for _, draft := range []string{"draft-04", "draft-06", "draft-07"} {
		for _, scheme := range []string{"http", "https"} {
			plain := scheme + "://json-schema.org/" + draft + "/schema"
			if uri == plain || uri == plain+"#" {
				return true
			}
		}
	}
	return false
}

// tidier walks the places of a schema that hold schemas.
type tidier struct {
	loose bool // no dialect declared: boolean bounds are understood
}

// any tidies a schema, or a list of schemas, or leaves alone what is neither.
func (t tidier) any(value any) {
	switch value := value.(type) {
	case map[string]any:
		t.schema(value)
	case []any:
		for _, item := range value {
			t.any(item)
		}
	}
}

// schema tidies one schema and those inside it.
func (t tidier) schema(object map[string]any) {
	for _, keyword := range []string{
		"title", "description", "default", "examples", "readOnly", "writeOnly",
		"$comment", "contentEncoding", "contentMediaType",
	} {
		delete(object, keyword)
	}
	for _, keyword := range []string{"type", "enum", "required", "items", "allOf", "anyOf", "oneOf"} {
		if list, ok := object[keyword].([]any); ok && len(list) == 0 {
			delete(object, keyword)
		}
	}
	for _, keyword := range []string{
		"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
	} {
		countable(object, keyword)
	}
	if t.loose {
		numericBound(object, "minimum", "exclusiveMinimum")
		numericBound(object, "maximum", "exclusiveMaximum")
	}
	if len(object) == 0 {
		object["$comment"] = ""
	}
	t.inside(object)
}

// inside tidies the schemas that a schema holds.
func (t tidier) inside(object map[string]any) {
	for _, keyword := range []string{
		"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "items", "additionalItems",
		"contains", "additionalProperties", "propertyNames",
	} {
		t.any(object[keyword])
	}
	for _, keyword := range []string{"definitions", "$defs", "properties", "patternProperties", "dependencies"} {
		if named, ok := object[keyword].(map[string]any); ok {
			for _, schema := range named {
				t.any(schema)
			}
		}
	}
}

// countable replaces a length beyond maxLength: the engine would keep the lowest
// 64 bits of it, and take 18446744073709551616 for 0.
func countable(object map[string]any, keyword string) {
	length, ok := object[keyword].(json.Number)
	if !ok {
		return
	}
	if number := parseDecimal(length); number.integer() && number.rational().Cmp(big.NewRat(maxLength, 1)) > 0 {
		object[keyword] = json.Number(strconv.Itoa(maxLength))
	}
}

// numericBound writes draft-04's pair of keywords, "minimum": 3 with
// "exclusiveMinimum": true, the way draft-07 does.
func numericBound(object map[string]any, bound, exclusive string) {
	strict, ok := object[exclusive].(bool)
	if !ok {
		return
	}
	limit, bounded := object[bound]
	switch {
	case !strict:
		delete(object, exclusive)
	case bounded:
		object[exclusive] = limit
		delete(object, bound)
	}
}
