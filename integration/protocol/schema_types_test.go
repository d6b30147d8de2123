package protocol

import (
	"fmt"
	"testing"
)

// Rule (section 3): "TYPE the
// violation's name as UI translations know it: `required`, `invalid_type`, `format`,
// `number_gte`, `number_lte`, `number_gt`, `number_lt`, `string_gte`, `string_lte`,
// `pattern`, `enum`, `const`, `number_any_of`, `number_one_of`, `number_all_of`, `number_not`, `array_min_items`,
// `array_max_items`, `unique`, `additional_property_not_allowed`, `condition_then`, `condition_else`…"
func TestViolationTypes(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for number, c := range []struct {
		schema, data string
		want         []violated
	}{
		{`{"required":["a"]}`, `{"b":1}`, []violated{root("required", `{"b":1}`)}},
		{`{"type":"integer"}`, `1.5`, []violated{root("invalid_type", `1.5`)}},
		{`{"type":["string","null"]}`, `1`, []violated{root("invalid_type", `1`)}},
		{`{"type":"integer"}`, `1.0`, nil},
		{`{"type":"integer"}`, `1e3`, nil},
		{`{"type":"integer"}`, `true`, []violated{root("invalid_type", `true`)}},
		{`{"minimum":3}`, `2.99`, []violated{root("number_gte", `2.99`)}},
		{`{"minimum":3}`, `3.00`, nil},
		{`{"maximum":3}`, `4`, []violated{root("number_lte", `4`)}},
		{`{"maximum":9007199254740992}`, `9007199254740993`, []violated{root("number_lte", `9007199254740993`)}},
		{`{"exclusiveMinimum":3}`, `3`, []violated{root("number_gt", `3`)}},
		{`{"exclusiveMaximum":3}`, `3`, []violated{root("number_lt", `3`)}},
		{`{"multipleOf":0.1}`, `0.3`, nil},
		{`{"multipleOf":0.1}`, `0.35`, []violated{root("multiple_of", `0.35`)}},
		{`{"minLength":2}`, `"😀"`, []violated{root("string_gte", `"😀"`)}},
		{`{"maxLength":2}`, `"àbc"`, []violated{root("string_lte", `"àbc"`)}},
		{`{"maxLength":1}`, `"😀"`, nil},
		{`{"pattern":"b"}`, `"abc"`, nil},
		{`{"pattern":"^[a-z]+$"}`, `"a1"`, []violated{root("pattern", `"a1"`)}},
		{`{"enum":[1,"a",null,{"b":[1.0]}]}`, `{"b":[1]}`, nil},
		{`{"enum":[1,"a"]}`, `"1"`, []violated{root("enum", `"1"`)}},
		{`{"const":{"a":1}}`, `{"a":2}`, []violated{root("const", `{"a":2}`)}},
		{`{"const":null}`, `null`, nil},
		{`{"anyOf":[{"type":"string"},{"minimum":5}]}`, `1`, []violated{root("number_any_of", `1`), root("number_gte", `1`)}},
		{`{"oneOf":[{"type":"string"},{"minimum":5}]}`, `1`, []violated{root("number_one_of", `1`), root("number_gte", `1`)}},
		{`{"oneOf":[{"type":"integer"},{"minimum":5}]}`, `7`, []violated{root("number_one_of", `7`)}},
		{`{"allOf":[{"type":"string"},{"minLength":3}]}`, `"ab"`, []violated{root("number_all_of", `"ab"`), root("string_gte", `"ab"`)}},
		{`{"not":{"type":"string"}}`, `"x"`, []violated{root("number_not", `"x"`)}},
		{`{"minItems":2}`, `[1]`, []violated{root("array_min_items", `[1]`)}},
		{`{"maxItems":1}`, `[1,2]`, []violated{root("array_max_items", `[1,2]`)}},
		{`{"uniqueItems":true}`, `[{"a":1,"b":2},{"b":2,"a":1.0}]`, []violated{root("unique", `[{"a":1,"b":2},{"b":2,"a":1.0}]`)}},
		{`{"uniqueItems":true}`, `[1,"1",[1],{"a":1},true,null,0,false]`, nil},
		{`{"additionalProperties":false,"properties":{"a":{}}}`, `{"a":1,"b":[2]}`, []violated{root("additional_property_not_allowed", `[2]`)}},
		{`{"additionalProperties":{"type":"string"}}`, `{"a":1}`, []violated{at("a", "invalid_type", `1`)}},
		{`{"if":{"const":1},"then":{"const":2}}`, `1`, []violated{root("condition_then", `1`), root("const", `1`)}},
		{`{"if":{"const":1},"else":{"const":2}}`, `3`, []violated{root("condition_else", `3`), root("const", `3`)}},
		{`{"if":{"const":1},"then":{"const":2}}`, `3`, nil},
		{`{"items":[{}],"additionalItems":false}`, `[1,2]`, []violated{root("array_no_additional_items", `[1,2]`)}},
		{`{"contains":{"const":1}}`, `[2]`, []violated{root("contains", `[2]`), at("0", "const", `2`)}},
		{`{"contains":{"const":1}}`, `[2,1]`, nil},
		{`{"contains":{}}`, `[]`, []violated{root("contains", `[]`)}},
		{`{"minProperties":1}`, `{}`, []violated{root("array_min_properties", `{}`)}},
		{`{"maxProperties":0}`, `{"a":1}`, []violated{root("array_max_properties", `{"a":1}`)}},
		{`{"propertyNames":{"maxLength":1}}`, `{"ab":1}`, []violated{root("invalid_property_name", `{"ab":1}`), root("string_lte", `"ab"`)}},
		{`{"dependencies":{"a":["b"]}}`, `{"a":1}`, []violated{root("missing_dependency", `{"a":1}`)}},
		{`{"dependencies":{"a":{"required":["b"]}}}`, `{"a":1}`, []violated{root("required", `{"a":1}`)}},
		{`{"title":"words","description":"words","default":3,"examples":[1],"x-more":1}`, `"x"`, nil},
		{`{"format":"no such format"}`, `"x"`, nil},
		{`{}`, `{"anything":[1]}`, nil},
		{`true`, `1`, nil},
		{`false`, `1`, []violated{root("false", `1`)}},
	} {
		t.Run(c.schema, func(t *testing.T) {
			t.Parallel()
			action := fmt.Sprintf("type%d", number)
			n.schema(action, c.schema)
			r := n.client(t).run(action, c.data)
			if c.want == nil {
				r.goesWell("ran\n").errs("")
				return
			}
			r.rejects(c.want...)
		})
	}
}

// Rule (section 3): "`format`"
//
// Formats are those of draft-07, as far as schemas use them.
func TestViolationFormats(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for format, c := range map[string]struct{ good, bad []string }{
		"hostname":  {[]string{"a", "node3.example.com", "10.0.0.1", "a-b.c"}, []string{"", "-a", "a_b", "a..b", "a b", "à.b"}},
		"ipv4":      {[]string{"10.0.0.1", "255.255.255.255"}, []string{"", "10.0.0", "10.0.0.256", "10.0.0.1/24", "::1", "a"}},
		"ipv6":      {[]string{"::1", "fe80::1", "2001:db8::a:b"}, []string{"", "1.2.3.4", ":::", "g::1", "::1/64"}},
		"email":     {[]string{"a@b.c"}, []string{"", "nope", "a@", "@b"}},
		"uri":       {[]string{"http://a/b?c#d", "urn:x:y"}, []string{"", "a/b", "\\\\a"}},
		"date":      {[]string{"2024-02-29"}, []string{"", "2023-02-29", "29.2.2024"}},
		"time":      {[]string{"23:59:59Z", "23:59:59"}, []string{"", "24:00:00", "noon"}},
		"date-time": {[]string{"2024-01-02T03:04:05Z", "2024-01-02T03:04:05.678+02:00"}, []string{"", "yesterday", "2024-01-02 03:04:05"}},
		"uuid":      {[]string{"123e4567-e89b-12d3-a456-426614174000"}, []string{"", "123e4567", "123e4567e89b12d3a456426614174000"}},
		"regex":     {[]string{"", "^a*$"}, []string{"(", "*"}},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			n.schema(format, `{"items":{"format":`+quoted(format)+`}}`)
			for _, text := range c.good {
				n.client(t).run(format, "["+quoted(text)+"]").goesWell("ran\n")
			}
			for _, text := range c.bad {
				n.client(t).run(format, "["+quoted(text)+"]").rejects(at("0", "format", quoted(text)))
			}
		})
	}
}
