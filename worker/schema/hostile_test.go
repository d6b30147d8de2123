package schema

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hurry is what a check or a compilation may take, on a busy machine with the
// race detector; without bounds, each of these takes hours, or all memory.
const hurry = 60 * time.Second

// deep nests a text n times.
func deep(open, inside, shut string, n int) string {
	return strings.Repeat(open, n) + inside + strings.Repeat(shut, n)
}

// list repeats a text, with its number in the place of %d.
func list(n int, text string) string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = strings.ReplaceAll(text, "%d", strconv.Itoa(i))
	}
	return strings.Join(texts, ",")
}

// measure fails a test that takes too long or too much memory.
func measure(t *testing.T, mostMemory uint64, what func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	started := time.Now()
	what()
	took := time.Since(started)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; took > hurry || allocated > mostMemory {
		t.Errorf("took %v and allocated %d MB", took, allocated>>20)
	}
}

// TestHostileSchemas are refused, or read in bounded time. Not in parallel: the
// memory is counted.
func TestHostileSchemas(t *testing.T) { //nolint:paralleltest // the memory of others would count
	const refused, accepted = true, false
	for _, c := range []struct { //nolint:paralleltest // the memory of others would count
		name, source string
		refused      bool
	}{
		{"no end", strings.Repeat("[", 10<<20), refused},
		{"as deep as JSON may be", deep(`{"not":`, "{}", "}", 9999), refused},
		{"deep lists", `{"enum":[` + deep("[", "", "]", 5000) + `]}`, refused},
		{"deep, but not too deep", deep(`{"not":`, "{}", "}", maxDepth-1), accepted},
		{"many parts", `{"properties":{` + list(50000, `"p%d":{"type":"string"}`) + `}}`, refused},
		{"many parts, but not too many", `{"properties":{` + list(5000, `"p%d":{"type":"string"}`) + `}}`, accepted},
		{"many ids", `{"properties":{` + list(20000, `"p%d":{"$id":"http://a/%d"}`) + `}}`, refused},
		{
			"many references to odd places",
			`{"properties":{` + list(9000, `"p%d":{"$ref":"#/x/y%d"}`) + `},"x":{` + list(9000, `"y%d":{"type":"null"}`) + `}}`,
			refused,
		},
		{"a long name", `{"properties":{"` + strings.Repeat("n", 1<<20) + `":{"properties":{` + list(100, `"p%d":{}`) + `}}}}`, refused},
		{"large number", `{"const":1e1000000000}`, refused},
		{"long number", `{"const":` + strings.Repeat("9", 1<<20) + `}`, refused},
		{"a pattern that repeats", `{"pattern":"` + strings.Repeat("a{1000}", 1000) + `"}`, refused},
		{"patterns that repeat", `{"items":[` + list(5000, `{"pattern":"%d(?:a{1,100}){1,10}"}`) + `]}`, refused},
		{"a pattern that Go cannot compile", `{"pattern":"(a+)\\1"}`, refused},
		{"a pattern that others backtrack in", `{"pattern":"^(a+)+$"}`, accepted},
		{"a circle", `{"definitions":{"a":{"$ref":"#/definitions/b"},"b":{"allOf":[{"$ref":"#/definitions/a"}]}},"$ref":"#/definitions/a"}`, refused},
		{"a long enum", `{"enum":[` + list(100000, `"%d"`) + `]}`, accepted},
	} {
		t.Run(c.name, func(t *testing.T) {
			measure(t, 4<<30, func() {
				_, err := Compile("hostile.json", []byte(c.source))
				if refused := err != nil; refused != c.refused {
					t.Errorf("error %.500v", err)
				}
			})
		})
	}
}

// TestHostileDocuments end with an answer, whatever it is.
func TestHostileDocuments(t *testing.T) { //nolint:paralleltest // the memory of others would count
	tree := `{"anyOf":[{"required":["x"],"properties":{"a":{"$ref":"#"}}},{"required":["y"],"properties":{"a":{"$ref":"#"}}}]}`
	for _, c := range []struct{ name, schema, document, want string }{ //nolint:paralleltest // the memory of others would count
		{"no end", `{}`, strings.Repeat("[", 10<<20), "exceeded max depth"},
		{"as deep as JSON may be", `{"items":{"$ref":"#"}}`, deep("[", "", "]", 10000), ""},
		{"deeper", `{"items":{"$ref":"#"}}`, deep("[", "", "]", 10001), "exceeded max depth"},
		{"two branches at each level", tree, deep(`{"a":`, "{}", "}", 200), "takes too long"},
		{
			"a list of rules at each level",
			`{"definitions":{"r":{"items":{"allOf":[` + list(100, `{"$ref":"#/definitions/r"}`) + `]}}},"$ref":"#/definitions/r"}`,
			deep("[", "", "]", 1000), "takes too long",
		},
		{
			"values that are compared at each level",
			`{"not":{"const":1},"items":{"$ref":"#"},"uniqueItems":true}`,
			deep("[", `"`+strings.Repeat("x", 1<<17)+`"`, "]", 3000), "takes too long",
		},
		{"violations", `{"items":{"type":"string"}}`, "[" + strings.Repeat("1,", 1<<17) + "1]", "violations"},
		{
			"violations with a long path", `{"additionalProperties":{"items":{"type":"string"}}}`,
			`{"` + strings.Repeat("n", 4<<20) + `":[` + strings.Repeat("1,", 1<<17) + `1]}`, "violations",
		},
		{"violations with long texts", `{"items":{"enum":[` + list(5000, `"%d"`) + `]}}`, "[" + strings.Repeat("1,", 1<<17) + "1]", "violations"},
		{
			"violations that are tried", `{"items":{"anyOf":[{"type":"string"},{"type":"integer"}]}}`,
			"[" + strings.Repeat("1,", 1<<17) + "1]", "",
		},
		{"equal items", `{"uniqueItems":true}`, "[" + strings.Repeat("1,", 1<<17) + "1]", "violations"},
		{"a long number", `{"type":"integer","minimum":1,"multipleOf":3,"const":1}`, strings.Repeat("9", 4<<20), "violations"},
		{"a large number", `{"multipleOf":5,"minimum":1}`, "1e1000000000", ""},
		{"a large pattern on a long text", `{"pattern":"^` + strings.Repeat("(?:x?y?){900}", 15) + `$"}`, `"` + strings.Repeat("x", 1<<20) + `"`, "takes too long"},
		{"a pattern that others backtrack in", `{"pattern":"^(a+)+$"}`, `"` + strings.Repeat("a", 1<<20) + `!"`, "violations"},
		{"regular expressions", `{"items":{"format":"regex"}}`, `[` + list(20000, `"(?:a{100}){10}(?:b{100}){10}%d"`) + `]`, ""},
		{"addresses", `{"format":"email"}`, `"` + strings.Repeat("(", 4<<20) + `"`, "violations"},
		{"many addresses", `{"format":"email"}`, `"` + strings.Repeat("a@[", 1<<20) + `"`, "violations"},
		{"templates", `{"format":"uri-template"}`, `"` + strings.Repeat("{", 4<<20) + `"`, "violations"},
	} {
		t.Run(c.name, func(t *testing.T) {
			schema := mustCompile(t, c.schema)
			measure(t, 8<<30, func() {
				violations, err := schema.Validate([]byte(c.document))
				got := ""
				switch {
				case err != nil:
					got = err.Error()
				case violations != nil:
					got = "violations"
				}
				if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestDeepRules: a long chain of rules at each level of a deep document would
// overflow the stack, which nothing catches.
func TestDeepRules(t *testing.T) {
	t.Parallel()
	const links = 500
	var definitions strings.Builder
	for i := range links {
		fmt.Fprintf(&definitions, `"d%d":{"not":{"not":{"allOf":[{"$ref":"#/definitions/d%d"}]}}},`, i, i+1)
	}
	schema := mustCompile(t, fmt.Sprintf(`{"definitions":{%s"d%d":{"items":{"$ref":"#/definitions/d0"}}},"$ref":"#/definitions/d0"}`, definitions.String(), links))
	if _, err := schema.Validate([]byte(deep("[", "", "]", 10))); err != nil {
		t.Errorf("10 levels: %v", err)
	}
	if _, err := schema.Validate([]byte(deep("[", "", "]", 5000))); !errors.Is(err, errEffort) {
		t.Errorf("5000 levels: error %v", err)
	}
}

// TestExhaustedCheckSaysWhatIsRight: what was found before the effort was spent
// is told, and nothing that was not looked at.
func TestExhaustedCheckSaysWhatIsRight(t *testing.T) {
	t.Parallel()
	tree := `{"anyOf":[{"required":["x"],"properties":{"a":{"$ref":"#/definitions/t"}}},{"required":["y"],"properties":{"a":{"$ref":"#/definitions/t"}}}]}`
	schema := mustCompile(t, `{"definitions":{"t":`+tree+`},"required":["n"],"properties":{"t":{"$ref":"#/definitions/t"},"z":{"type":"null"}}}`)
	document := `{"t":` + deep(`{"a":`, "{}", "}", 100) + `,"z":1}`
	found, err := schema.validate([]byte(document))
	if err != nil || summary(found.violations) != "(root): n is required" || found.dropped == 0 {
		t.Errorf("found %s and %d more, error %v", summary(found.violations), found.dropped, err)
	}
}

// TestLengthsBeyondIntegers: they are compared as what they are, not as their
// lowest 64 bits.
func TestLengthsBeyondIntegers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schema, document, want string }{
		{`{"maxLength":18446744073709551616}`, `"a"`, ""},
		{`{"minLength":18446744073709551616}`, `"a"`, "(root)_string_gte"},
		{`{"maxItems":1e300,"minItems":0.0}`, `[1]`, ""},
		{`{"minItems":1e300}`, `[1]`, "(root)_array_min_items"},
		{`{"minProperties":9223372036854775808}`, `{"a":1}`, "(root)_array_min_properties"},
		{`{"maxProperties":9223372036854775808}`, `{"a":1}`, ""},
	} {
		violations := mustValidate(t, mustCompile(t, c.schema), c.document)
		if len(violations) == 0 && c.want == "" {
			continue
		}
		if len(violations) != 1 || violations[0].Error != c.want {
			t.Errorf("%s on %s: %s, want %q", c.schema, c.document, summary(violations), c.want)
		}
	}
}
