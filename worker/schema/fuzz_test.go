package schema

import (
	"encoding/json"
	"errors"
	"testing"
)

// FuzzValidate feeds schemas and documents of any kind: nothing panics, what is
// no JSON is an error and nothing else is, and the verdict, if not the list, is
// that of the engine.
func FuzzValidate(f *testing.F) {
	for _, v := range loadVectors(f) {
		f.Add([]byte(v.Schema), []byte(v.Input))
	}
	f.Add([]byte(`{"$ref":"#"}`), []byte(`1e1000001`))
	f.Add([]byte(`{"minLength":1e30,"patternProperties":{"^(?:a{1,9}){9}$":{"items":{"$ref":"#"}}}}`), []byte(`{"aaa":[[["\u0000"]]]}`))
	f.Add([]byte(`{"anyOf":[{"properties":{"a":{"$ref":"#"}},"required":["b"]},{"enum":[{"a":1.0}]}]}`), []byte(`{"a":{"a":{"a":1}}}`))
	f.Add([]byte(`{"uniqueItems":true,"multipleOf":3}`), []byte(`[1e1000001,-0,0.0]`))
	f.Fuzz(func(t *testing.T, source, document []byte) {
		schema, err := Compile("fuzz.json", source)
		if err != nil {
			if _, ok := errors.AsType[*CompileError](err); !ok {
				t.Fatalf("not a CompileError: %v", err)
			}
			return
		}
		violations, err := schema.Validate(document)
		if errors.Is(err, errEffort) {
			return
		}
		if (err == nil) != json.Valid(document) {
			t.Fatalf("valid JSON: %v, error: %v", json.Valid(document), err)
		}
		if err != nil {
			return
		}
		if _, err := json.Marshal(violations); err != nil {
			t.Fatalf("violations have no JSON: %v", err)
		}
		if want, asked := engineVerdict(t, source, document); asked && want != (violations == nil) {
			t.Fatalf("the engine says valid=%v, found %s", want, summary(violations))
		}
	})
}

// engineVerdict asks the engine alone. Not to be compared are formats, which the
// contract widens to numbers; a const beside a $ref, which the engine looks at
// though draft-07 says not to; and numbers on which the engine panics.
func engineVerdict(t *testing.T, source, document []byte) (valid, asked bool) {
	t.Helper()
	doc, err := decode(source)
	if err != nil {
		t.Fatal(err)
	}
	value, err := decode(document)
	if err != nil {
		t.Fatal(err)
	}
	if hasKey(doc, "format") || hasKey(doc, "$ref") && hasKey(doc, "const") || checkSize(value) != nil {
		return false, false
	}
	linked, err := link("fuzz.json", doc, newLibrary(nil))
	if err != nil {
		t.Fatal(err)
	}
	return linked.Validate(value) == nil, true
}

func hasKey(value any, key string) bool {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			if hasKey(item, key) {
				return true
			}
		}
	case map[string]any:
		for name, member := range value {
			if name == key || hasKey(member, key) {
				return true
			}
		}
	}
	return false
}
