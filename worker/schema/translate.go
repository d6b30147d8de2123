package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// translator turns linked schemas into rules, each once: schemas may refer to
// each other in circles.
type translator struct {
	done    map[*jsonschema.Schema]*rule
	formats map[string]format
}

// translate turns a linked schema, and all it leads to, into rules.
func translate(root *jsonschema.Schema) (*rule, error) {
	t := translator{done: map[*jsonschema.Schema]*rule{}, formats: formats()}
	translated := t.rule(root)
	for _, linked := range slices.SortedFunc(maps.Keys(t.done), byLocation) {
		if linked.DraftVersion > 7 {
			return nil, fmt.Errorf("%s is of a dialect later than draft-07", linked.Location)
		}
	}
	if at := t.circle(); at != nil {
		return nil, fmt.Errorf("%s refers to itself without end", at.Location)
	}
	return translated, nil
}

// rule returns the rule of a schema; nil has none.
func (t *translator) rule(from *jsonschema.Schema) *rule {
	if from == nil {
		return nil
	}
	if known, ok := t.done[from]; ok {
		return known
	}
	to := &rule{boolean: from.Bool}
	t.done[from] = to
	if from.Ref != nil {
		to.ref = t.rule(from.Ref)
		return to
	}
	to.types = kindsOf(from.Types)
	t.values(from, to)
	t.branches(from, to)
	t.object(from, &to.object)
	t.array(from, &to.array)
	to.text = textRule{fewest: from.MinLength, most: from.MaxLength}
	if from.Pattern != nil {
		to.text.pattern = sizedPattern(from.Pattern)
	}
	to.number = numberRule{
		minimum: from.Minimum, above: from.ExclusiveMinimum,
		maximum: from.Maximum, below: from.ExclusiveMaximum,
		multipleOf: from.MultipleOf,
	}
	return to
}

// rules translates a list of schemas.
func (t *translator) rules(from []*jsonschema.Schema) []*rule {
	to := make([]*rule, len(from))
	for i, linked := range from {
		to[i] = t.rule(linked)
	}
	return to
}

// values translates what is demanded of a value of any type.
func (t *translator) values(from *jsonschema.Schema, to *rule) {
	if from.Const != nil {
		to.constant = newLiterals(*from.Const)
	}
	if from.Enum != nil {
		to.enum = newLiterals(from.Enum.Values...)
	}
	if from.Format != nil {
		to.format, to.formatName = t.formats[from.Format.Name], from.Format.Name
	}
}

// branches translates the schemas that hold for the value itself.
func (t *translator) branches(from *jsonschema.Schema, to *rule) {
	to.allOf, to.anyOf, to.oneOf = t.rules(from.AllOf), t.rules(from.AnyOf), t.rules(from.OneOf)
	to.not = t.rule(from.Not)
	to.when, to.then, to.otherwise = t.rule(from.If), t.rule(from.Then), t.rule(from.Else)
}

// object translates what is demanded of objects.
func (t *translator) object(from *jsonschema.Schema, to *objectRule) {
	to.fewest, to.most, to.required = from.MinProperties, from.MaxProperties, from.Required
	to.names = t.rule(from.PropertyNames)
	to.additional, to.closed = t.additional(from.AdditionalProperties)
	if len(from.Properties) > 0 {
		to.properties = make(map[string]*rule, len(from.Properties))
	}
	for name, property := range from.Properties {
		to.properties[name] = t.rule(property)
	}
	for names, value := range from.PatternProperties {
		to.patterns = append(to.patterns, patternRule{names: sizedPattern(names), value: t.rule(value)})
	}
	for property, brings := range from.Dependencies {
		switch brings := brings.(type) {
		case []string:
			to.dependencies = append(to.dependencies, dependency{property: property, required: brings})
		case *jsonschema.Schema:
			to.dependencies = append(to.dependencies, dependency{property: property, rule: t.rule(brings)})
		}
	}
}

// array translates what is demanded of arrays.
func (t *translator) array(from *jsonschema.Schema, to *arrayRule) {
	to.fewest, to.most, to.unique = from.MinItems, from.MaxItems, from.UniqueItems
	to.contains = t.rule(from.Contains)
	switch items := from.Items.(type) {
	case *jsonschema.Schema:
		to.each = t.rule(items)
	case []*jsonschema.Schema:
		to.tuple = t.rules(items)
		to.additional, to.closed = t.additional(from.AdditionalItems)
	}
}

// additional translates what the engine keeps as nil, a boolean or a schema.
func (t *translator) additional(from any) (additional *rule, closed bool) {
	switch from := from.(type) {
	case bool:
		return nil, !from
	case *jsonschema.Schema:
		return t.rule(from), false
	}
	return nil, false
}

func byLocation(a, b *jsonschema.Schema) int { return cmp.Compare(a.Location, b.Location) }
