package schema

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func mustCompile(tb testing.TB, source string, shared ...Document) *Schema {
	tb.Helper()
	schema, err := Compile("/actions/a/validate-input.json", []byte(source), shared...)
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

func mustValidate(tb testing.TB, schema *Schema, document string) []Violation {
	tb.Helper()
	violations, err := schema.Validate([]byte(document))
	if err != nil {
		tb.Fatal(err)
	}
	return violations
}

// summary puts violations in one line.
func summary(violations []Violation) string {
	texts := make([]string, len(violations))
	for i, violation := range violations {
		texts[i] = violation.String()
	}
	return strings.Join(texts, "; ")
}

// The texts of the first cases are those that other agents put into `error`.
func TestTexts(t *testing.T) {
	t.Parallel()
	cases := []struct{ schema, input, want string }{
		{
			`{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}`, `{"n":"x"}`,
			"n: Invalid type. Expected: integer, given: string",
		},
		{`{"type":"string"}`, "17\n", "(root): Invalid type. Expected: string, given: integer"},
		{`{"type":["string","null"]}`, "1.5", "(root): Invalid type. Expected: null or string, given: number"},
		{
			`{"required":["a"],"minProperties":2}`, `{}`,
			"(root): Number of properties must be at least 2; (root): a is required",
		},
		{`{"minimum":0.125}`, `0`, "(root): Must be at least 0.125"},
		{`{"maximum":1e3}`, `1001`, "(root): Must be at most 1000"},
		{`{"maximum":1e-30}`, `1`, "(root): Must be at most 1e-30"},
		{`{"enum":["a",1,{"b":null}]}`, `2`, `(root): Must be one of "a", 1, {"b":null}`},
	}
	for _, c := range cases {
		if got := summary(mustValidate(t, mustCompile(t, c.schema), c.input)); got != c.want {
			t.Errorf("%s on %s:\n got %s\nwant %s", c.schema, c.input, got, c.want)
		}
	}
}

func TestViolationJSON(t *testing.T) {
	t.Parallel()
	schema := mustCompile(t, `{"properties":{"l":{"items":{"type":"string"}}}}`)
	got, err := json.Marshal(mustValidate(t, schema, `{"l":["x",1.50]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"parameter":"l","error":"l_invalid_type","value":1.50,"field":"l.1"}]`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEveryViolationHasAText(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t) {
		for _, violation := range mustValidate(t, mustCompile(t, string(v.Schema)), string(v.Input)) {
			text := violation.String()
			if violation.detail == "" || !strings.HasPrefix(text, violation.Field+": ") {
				t.Errorf("%s: text is %q", v.Name, text)
			}
		}
	}
}

func TestValidateNoJSON(t *testing.T) {
	t.Parallel()
	schema := mustCompile(t, `{}`)
	for document, want := range map[string]string{
		"hello world\n": "invalid character 'h' looking for beginning of value",
		"":              "unexpected end of JSON input",
		" \n":           "unexpected end of JSON input",
		`{"a":`:         "unexpected end of JSON input",
		`{"a":1}{}`:     "invalid character '{' after top-level value",
		`{"a":1} x`:     "invalid character 'x' after top-level value",
		`01`:            "invalid character '1' after top-level value",
	} {
		violations, err := schema.Validate([]byte(document))
		if err == nil || err.Error() != want || violations != nil {
			t.Errorf("%q: got %v and error %v, want error %s", document, violations, err, want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ source, want string }{
		"cut off":             {`{"type":`, "unexpected EOF"},
		"empty":               {``, "EOF"},
		"no JSON":             {`type: object`, "invalid character 'y'"},
		"more than one value": {`{} {}`, "after top-level value"},
		"no schema":           {`3`, "got number, want boolean or object"},
		"no such type":        {`{"type":"strng"}`, "at '/type'"},
		"bad bound":           {`{"properties":{"a":{"minimum":"3"}}}`, "at '/properties/a/minimum'"},
		"bad pattern":         {`{"pattern":"(?=a)"}`, "/pattern"},
		"no such definition":  {`{"$ref":"#/definitions/a"}`, "not found"},
		"from the network":    {`{"$ref":"http://127.0.0.1:1/a.json"}`, "not loaded from files or the network"},
		"from a file":         {`{"$ref":"file:///etc/passwd"}`, "not loaded from files or the network"},
		"from a sibling file": {`{"$ref":"other.json"}`, "/actions/a/other.json"},
		"later metaschema":    {`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "later than draft-07"},
		"itself":              {`{"$ref":"#"}`, "without end"},
		"itself in a branch":  {`{"properties":{"a":{"anyOf":[{"not":{"$ref":"#/properties/a"}}]}}}`, "without end"},
		"number beyond range": {`{"minimum":1e1000001}`, "out of range"},
		"number too precise":  {`{"multipleOf":0.` + strings.Repeat("1", 1001) + `}`, "out of range"},
		"boolean draft-07 bound": {
			`{"$schema":"http://json-schema.org/draft-07/schema#","minimum":1,"exclusiveMinimum":true}`, "/exclusiveMinimum",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile("/actions/a/validate-input.json", []byte(c.source))
			if _, ok := errors.AsType[*CompileError](err); !ok {
				t.Fatalf("want a CompileError, got %v", err)
			}
			text := err.Error()
			if !strings.HasPrefix(text, "Schema compile error for file /actions/a/validate-input.json: ") ||
				!strings.Contains(text, c.want) || strings.Contains(text, "\n") {
				t.Errorf("got %q, want it to tell of %q", text, c.want)
			}
		})
	}
}

func TestSharedDocuments(t *testing.T) {
	t.Parallel()
	byID := Document{Name: "/core/definitions.json", Source: []byte(
		`{"$id":"http://example.com/definitions.json","definitions":{"port":{"type":"integer","maximum":65535}}}`)}
	byName := Document{Name: "/actions/a/common.json", Source: []byte(
		`{"definitions":{"name":{"type":"string","minLength":1}}}`)}
	byRelativeID := Document{Name: "/actions/a/old.json", Source: []byte(`{"$id":"renamed.json","type":"null"}`)}
	schema := mustCompile(t, `{"properties":{
		"p":{"$ref":"http://example.com/definitions.json#/definitions/port"},
		"n":{"$ref":"common.json#/definitions/name"},
		"r":{"$ref":"renamed.json"}}}`, byID, byName, byRelativeID)
	got := summary(mustValidate(t, schema, `{"p":70000,"n":"","r":1}`))
	want := "n: Length must be at least 1; p: Must be at most 65535; r: Invalid type. Expected: null, given: integer"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A shared document that cannot be used is told to those who refer to it, and
// to nobody else.
func TestBrokenSharedDocuments(t *testing.T) {
	t.Parallel()
	id := `{"$id":"http://example.com/d.json",`
	cases := map[string]struct {
		shared Document
		want   string
	}{
		"no JSON":      {Document{Source: []byte(id)}, "shared document /core/d.json: unexpected EOF"},
		"empty":        {Document{}, "shared document /core/d.json: EOF"},
		"not readable": {Document{Err: errors.New("permission denied")}, "shared document /core/d.json: permission denied"},
		"bad id":       {Document{Source: []byte(`{"$id":"http://[::1"}`)}, "shared document /core/d.json: read $id: "},
		"no schema":    {Document{Source: []byte(id + `"definitions":{"a":{"type":"strng"}}}`)}, "http://example.com/d.json"},
		"too deep":     {Document{Source: []byte(id + `"not":` + deep(`{"not":`, "{}", "}", 300) + `}`)}, "shared document /core/d.json: it is nested deeper"},
		"large number": {Document{Source: []byte(id + `"minimum":1e9999}`)}, "shared document /core/d.json: number 1e9999"},
		"another":      {Document{Source: []byte(`{}`)}, "not loaded from files or the network"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.shared.Name = "/core/d.json"
			if _, err := Compile("x.json", []byte(`{"type":"null"}`), c.shared); err != nil {
				t.Errorf("a schema that does not refer to it: %v", err)
			}
			_, err := Compile("x.json", []byte(`{"$ref":"http://example.com/d.json#/definitions/a"}`), c.shared)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("a schema that refers to it: error %v, want one with %q", err, c.want)
			}
		})
	}
}

// Go's maps come in another order each time; violations must not.
func TestOrderIsStable(t *testing.T) {
	t.Parallel()
	schema := mustCompile(t, `{"additionalProperties":false,"propertyNames":{"maxLength":1},"required":["z","y","x"]}`)
	var document strings.Builder
	for i := range 20 {
		document.WriteString(`,"k` + strconv.Itoa(i) + `":` + strconv.Itoa(i))
	}
	first := summary(mustValidate(t, schema, "{"+document.String()[1:]+"}"))
	for range 20 {
		if again := summary(mustValidate(t, schema, "{"+document.String()[1:]+"}")); again != first {
			t.Fatalf("two orders:\n%s\n%s", first, again)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	vectors := loadVectors(t)
	shared := mustCompile(t, string(vectors[0].Schema))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, v := range vectors {
				if _, err := Compile(v.Name, v.Schema); err != nil {
					t.Errorf("%s: %v", v.Name, err)
				}
				if _, err := shared.Validate(v.Input); err != nil {
					t.Errorf("%s: %v", v.Name, err)
				}
			}
		})
	}
	group.Wait()
}

// A document may be as deep as encoding/json allows, and a schema follow it there.
func TestDeepDocument(t *testing.T) {
	t.Parallel()
	schema := mustCompile(t, `{"properties":{"a":{"$ref":"#"}},"required":["a"]}`)
	const depth = 9000
	violations := mustValidate(t, schema, strings.Repeat(`{"a":`, depth)+"{}"+strings.Repeat("}", depth))
	if len(violations) != 1 || strings.Count(violations[0].Field, ".") != depth-1 {
		t.Errorf("got %d violations", len(violations))
	}
}
