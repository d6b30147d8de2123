package schema

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"cluster-agent/worker"
)

func TestCheckerReportsViolationsAsTheProtocolSays(t *testing.T) {
	t.Parallel()
	checker := NewChecker()
	source := worker.Schema{Name: "a", Source: []byte(`{"type":"object","properties":{"n":{"type":"integer"}}}`)}

	violations, err := checker.Check(source, []byte(`{"n":"x"}`))
	if err != nil || violations == nil {
		t.Fatalf("violations %v, error %v", violations, err)
	}
	if want := `[{"parameter":"n","error":"n_invalid_type","value":"x","field":"n"}]`; string(violations.JSON) != want {
		t.Errorf("JSON %s, want %s", violations.JSON, want)
	}
	if want := "[n: Invalid type. Expected: integer, given: string]"; violations.Text != want {
		t.Errorf("text %q, want %q", violations.Text, want)
	}
	if violations, err := checker.Check(source, []byte(`{"n":1}`)); violations != nil || err != nil {
		t.Errorf("a good document: violations %v, error %v", violations, err)
	}
}

func TestCheckerTellsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	checker := NewChecker()
	for name, c := range map[string]struct{ schema, document, says string }{
		"schema":   {`{"type":`, `1`, "Schema compile error for file s: unexpected EOF"},
		"document": {`{}`, `hello`, "JSON unmarshal error: invalid character 'h'"},
	} {
		_, err := checker.Check(worker.Schema{Name: "s", Source: []byte(c.schema)}, []byte(c.document))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.says)
		}
	}
}

// A file may be edited between two tasks.
func TestCheckerSeesThatASchemaChanged(t *testing.T) {
	t.Parallel()
	checker := NewChecker()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, kind := range []string{"string", "integer", "string"} {
				source := worker.Schema{Name: "a", Source: []byte(`{"type":"` + kind + `"}`)}
				violations, err := checker.Check(source, []byte(`"text"`))
				if err != nil || (violations == nil) != (kind == "string") {
					t.Errorf("%s: violations %v, error %v", kind, violations, err)
				}
			}
		})
	}
	group.Wait()
}

// TestCheckerSeesThatASharedDocumentChanged: so may a file that others refer to,
// and it may be broken for a while.
func TestCheckerSeesThatASharedDocumentChanged(t *testing.T) {
	t.Parallel()
	var definition Document
	reads := 0
	checker := NewChecker(func() Document { reads++; return definition })
	refers := worker.Schema{Name: "a", Source: []byte(`{"$ref":"/d.json#/definitions/kind"}`)}
	alone := worker.Schema{Name: "b", Source: []byte(`{"type":"string"}`)}
	for _, c := range []struct{ source, wrong string }{
		{`{"definitions":{"kind":{"type":"string"}}}`, ""},
		{`{"definitions":{"kind":{"type":"string"}}}`, ""},
		{`{"definitions":{"kind":{"type":"integer"}}}`, "Expected: integer"},
		{`{"definitions":`, "shared document /d.json: unexpected EOF"},
		{`{"definitions":{"kind":{"type":"string"}}}`, ""},
	} {
		definition = Document{Name: "/d.json", Source: []byte(c.source)}
		violations, err := checker.Check(refers, []byte(`"text"`))
		said := ""
		if violations != nil {
			said = violations.Text
		}
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, c.wrong) || (said == "") != (c.wrong == "") {
			t.Errorf("%s: %q, want %q", c.source, said, c.wrong)
		}
		before := reads
		if violations, err := checker.Check(alone, []byte(`"text"`)); violations != nil || err != nil || reads != before {
			t.Errorf("a schema of its own: violations %v, error %v, read %d times", violations, err, reads-before)
		}
	}
}

// TestCheckerOutlivesAPanic: a check runs where nothing else catches one.
func TestCheckerOutlivesAPanic(t *testing.T) {
	t.Parallel()
	checker := NewChecker()
	source := worker.Schema{Name: "a", Source: []byte(`{}`)}
	checker.compiled["a"] = compiledSchema{source: source.Source, schema: &Schema{}, shared: newLibrary(nil)} // has no rule
	if violations, err := checker.Check(source, []byte(`1`)); violations != nil || err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("violations %v, error %v", violations, err)
	}
}

func TestCheckerBoundsTheReport(t *testing.T) {
	t.Parallel()
	document, err := json.Marshal(strings.Split(strings.Repeat("x", 3000), ""))
	if err != nil {
		t.Fatal(err)
	}
	violations, err := NewChecker().Check(worker.Schema{Name: "a", Source: []byte(`{"uniqueItems":true}`)}, document)
	if err != nil || violations == nil {
		t.Fatalf("violations %v, error %v", violations, err)
	}
	if !json.Valid(violations.JSON) || len(violations.JSON) > maxReport+2*len(document) {
		t.Errorf("report of %d bytes, valid JSON %t", len(violations.JSON), json.Valid(violations.JSON))
	}
	if !strings.Contains(violations.Text, "more]") {
		t.Error("the text does not say that violations were left out")
	}
}
