package protocol

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// violated is one object of a failed input schema's output.
type violated struct {
	parameter, name, value, field string
}

func (v violated) text() string {
	return fmt.Sprintf(`{"parameter":%s,"error":%s,"value":%s,"field":%s}`, quoted(v.parameter), quoted(v.parameter+"_"+v.name), v.value, quoted(v.field))
}

func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

// root is a violation of the whole document.
func root(name, value string) violated { return violated{"(root)", name, value, "(root)"} }

// at is a violation of a field, whose path has a dot behind its first element or none.
func at(field, name, value string) violated {
	parameter, _, _ := strings.Cut(field, ".")
	return violated{parameter, name, value, field}
}

// rejects wants an input that failed its schema, with these violations in any order.
func (r report) rejects(want ...violated) {
	r.t.Helper()
	r.ends("validation-failed", "10").tells("pending 0, validation-failed 0")
	list := make([]string, len(want))
	for i, violation := range want {
		list[i] = violation.text()
	}
	if wanted := "[" + strings.Join(list, ",") + "]"; !same("output", wanted, plainJSON(r.t, r.output)) {
		r.t.Errorf("output is %s, want %s", r.output, wanted)
	}
	if !strings.HasPrefix(r.errput, "Validation errors: ") || !strings.HasSuffix(r.errput, "\n") {
		r.t.Errorf("error is %q", r.errput)
	}
}

// schema makes an action that has an input schema, and one step.
func (n *node) schema(action, schema string) {
	n.t.Helper()
	n.file("actions/"+action+"/validate-input.json", 0o644, schema)
	n.step(action+"/10", "echo ran")
}

// Rule (section 3): "A failed input schema: status `validation-failed`, exit code 10, output a JSON list with one
// object per violation"
func TestInputSchema(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.schema("a", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}`)
	c.run("a", `{"n":1}`).goesWell("ran\n").errs("")
	c.run("a", `{"n":"x"}`).prints(`[{"parameter":"n","error":"n_invalid_type","value":"x","field":"n"}]`).rejects(at("n", "invalid_type", `"x"`))
	c.run("a", `null`).rejects(root("invalid_type", `null`))
	c.run("a", ``).rejects(root("invalid_type", `null`))
}

// Rule (section 3): "{"parameter":P,"error":"P_TYPE","value":VALUE,"field":FIELD}"
func TestViolationObject(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.schema("a", `{"properties":{"list":{"items":{"properties":{"n":{"type":"integer"}}}}}}`)
	c.run("a", `{"list":[{"n":{"a":[1.50,null]}}]}`).
		prints(`[{"parameter":"list","error":"list_invalid_type","value":{"a":[1.50,null]},"field":"list.0.n"}]`)
}

// Rule (section 3): "| 10 | validation failed, and the step itself returned 0, or the input schema check failed |"
func TestExitCodeOfTheInputSchema(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.schema("a", `false`)
	c.run("a", `1`).ends("validation-failed", "10")
}

// Rule (section 3): "one
// object per violation"
func TestInputSchemaTellsEachViolation(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.schema("a", `{"type":"object","required":["a","b"],"additionalProperties":false,"properties":{
		"c":{"minLength":3,"pattern":"^x","format":"ipv4","enum":["q"]},
		"l":{"items":{"type":"integer","minimum":5},"minItems":4,"uniqueItems":true}}}`)
	c.run("a", `{"c":"a","d":1,"l":[1,"x",1]}`).rejects(
		root("required", `{"c":"a","d":1,"l":[1,"x",1]}`), root("required", `{"c":"a","d":1,"l":[1,"x",1]}`),
		root("additional_property_not_allowed", `1`),
		at("c", "string_gte", `"a"`), at("c", "pattern", `"a"`), at("c", "format", `"a"`), at("c", "enum", `"a"`),
		at("l.0", "number_gte", `1`), at("l.1", "invalid_type", `"x"`), at("l.2", "number_gte", `1`),
		at("l", "array_min_items", `[1,"x",1]`), at("l", "unique", `[1,"x",1]`),
	)
}

// Rule (section 3): "FIELD is the dotted path (`(root)` at the top), P its first element"
func TestViolationField(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	const wrong = `{"type":"string"}`
	for name, c := range map[string]struct {
		schema, data string
		want         violated
	}{
		"top":             {wrong, `1`, root("invalid_type", `1`)},
		"property":        {`{"properties":{"a":` + wrong + `}}`, `{"a":1}`, violated{"a", "invalid_type", `1`, "a"}},
		"item":            {`{"items":` + wrong + `}`, `["",1]`, violated{"1", "invalid_type", `1`, "1"}},
		"deep":            {`{"properties":{"a":{"items":{"properties":{"b":{"items":` + wrong + `}}}}}}`, `{"a":[{},{"b":["",1]}]}`, violated{"a", "invalid_type", `1`, "a.1.b.1"}},
		"lists in lists":  {`{"items":{"items":{"items":` + wrong + `}}}`, `[[[""],["",""]],[["",1]]]`, violated{"1", "invalid_type", `1`, "1.0.1"}},
		"tuple":           {`{"items":[{},{"properties":{"a":` + wrong + `}}]}`, `[1,{"a":1}]`, violated{"1", "invalid_type", `1`, "1.a"}},
		"missing inside":  {`{"properties":{"a":{"required":["b"]}}}`, `{"a":{}}`, violated{"a", "required", `{}`, "a"}},
		"surplus inside":  {`{"properties":{"a":{"additionalProperties":false}}}`, `{"a":{"b":1}}`, violated{"a", "additional_property_not_allowed", `1`, "a"}},
		"other alphabets": {`{"properties":{"é 😀":` + wrong + `}}`, `{"é 😀":1}`, violated{"é 😀", "invalid_type", `1`, "é 😀"}},
		"dot in a name":   {`{"properties":{"a.b":` + wrong + `}}`, `{"a.b":1}`, violated{"a", "invalid_type", `1`, "a.b"}},
		"by a pattern":    {`{"patternProperties":{"^a":` + wrong + `}}`, `{"ab":1}`, violated{"ab", "invalid_type", `1`, "ab"}},
		"by a reference":  {`{"properties":{"a":{"$ref":"#/definitions/d"}},"definitions":{"d":{"items":` + wrong + `}}}`, `{"a":[1]}`, violated{"a", "invalid_type", `1`, "a.0"}},
		"to itself":       {`{"properties":{"a":{"$ref":"#"}},"maxProperties":1}`, `{"a":{"a":{"x":1,"y":2}}}`, violated{"a", "array_max_properties", `{"x":1,"y":2}`, "a.a"}},
		"a large number":  {wrong, `12345678901234567890123`, root("invalid_type", `12345678901234567890123`)},
		"a long fraction": {wrong, `0.1234567890123456789`, root("invalid_type", `0.1234567890123456789`)},
		"markup":          {`{"type":"integer"}`, `"<a href='x'>&"`, root("invalid_type", `"\u003ca href='x'\u003e\u0026"`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action := strings.ReplaceAll(name, " ", "-")
			n.schema(action, c.schema)
			n.client(t).run(action, c.data).rejects(c.want)
		})
	}
}

// Rule (section 3): "`error` then begins with `Validation errors: `."
func TestErrorOfTheInputSchema(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	n.schema("a", `{"type":"object","properties":{"password":{"type":"string","minLength":20}},"required":["user"]}`)
	r := n.client(t).run("a", `{"password":"not in the log"}`)
	if !strings.HasPrefix(r.errput, "Validation errors: ") || strings.Count(r.errput, "\n") != 1 {
		t.Errorf("error is %q", r.errput)
	}
	if strings.Contains(p.stderr.String()+r.errput, "not in the log") {
		t.Error("a violation shows a secret in the log")
	}
}
