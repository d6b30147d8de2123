package schema

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// vector is a schema, an input, and what the output of an action must hold
// when the schema is that of its input.
type vector struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Input  json.RawMessage `json:"input"`
	Output json.RawMessage `json:"output"`
	Valid  bool            `json:"valid"`
}

// loadVectors reads testdata: validation.json came with the protocol, more.json
// holds what random schemas, run through this package and through the engine
// that the names of violations come from, brought to light.
func loadVectors(tb testing.TB) []vector {
	tb.Helper()
	all := make([]vector, 0, 200)
	for _, file := range []string{"validation.json", "more.json"} {
		source, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			tb.Fatal(err)
		}
		var some []vector
		if err := json.Unmarshal(source, &some); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		if len(some) == 0 {
			tb.Fatalf("%s holds no vectors", file)
		}
		all = append(all, some...)
	}
	return all
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			schema, err := Compile("vector.json", v.Schema)
			if err != nil {
				t.Fatal(err)
			}
			violations, err := schema.Validate(v.Input)
			if err != nil {
				t.Fatal(err)
			}
			if v.Valid != (violations == nil) {
				t.Errorf("valid: want %v, got %v", v.Valid, violations)
			}
			output, err := json.Marshal(violations)
			if err != nil {
				t.Fatal(err)
			}
			got, want := asSet(t, output), asSet(t, v.Output)
			if !slices.Equal(got, want) {
				t.Errorf("input %s\n got %s\nwant %s", v.Input, got, want)
			}
		})
	}
}

// asSet makes lists of violations comparable: sorted, and numbers by their value.
func asSet(t *testing.T, output []byte) []string {
	t.Helper()
	decoded, err := decode(output)
	if err != nil {
		t.Fatal(err)
	}
	var set []string
	if list, ok := decoded.([]any); ok {
		for _, violation := range list {
			text, err := json.Marshal(withFractions(violation))
			if err != nil {
				t.Fatal(err)
			}
			set = append(set, string(text))
		}
	}
	slices.Sort(set)
	return set
}

// withFractions writes every number as the fraction it is.
func withFractions(value any) any {
	switch value := value.(type) {
	case json.Number:
		number, ok := new(big.Rat).SetString(string(value))
		if !ok {
			return value
		}
		return map[string]any{"number": number.RatString()}
	case []any:
		for i := range value {
			value[i] = withFractions(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = withFractions(value[name])
		}
	}
	return value
}
