package schema

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

func TestDecimal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		key     string
		integer bool
	}{
		"0":                        {"e0", true},
		"-0":                       {"e0", true},
		"0.000e99":                 {"e0", true},
		"1":                        {"1e0", true},
		"1.0":                      {"1e0", true},
		"-120":                     {"-12e1", true},
		"0.050":                    {"5e-2", false},
		"100.01":                   {"10001e-2", false},
		"1.5e1":                    {"15e0", true},
		"15e-1":                    {"15e-1", false},
		"10E+2":                    {"1e3", true},
		"1e99999999999999999999":   {"1e1099511627776", true},
		"1e-99999999999999999999":  {"1e-1099511627776", false},
		"12345678901234567890.125": {"12345678901234567890125e-3", false},
	}
	for text, want := range cases {
		number := parseDecimal(json.Number(text))
		if key := string(number.appendKey(nil)); key != want.key || number.integer() != want.integer {
			t.Errorf("%s: key %s, integer %v; want %v", text, key, number.integer(), want)
		}
	}
}

func TestRationalIsExactWithinBounds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "-0.0", "1", "-1.25", "1e400", "1e-400", "123456789.000000001", "1e1999", "-7e-1999"} {
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		if got := parseDecimal(json.Number(text)).rational(); got.Cmp(want) != 0 {
			t.Errorf("%s: got %s", text, got.RatString())
		}
	}
}

// Numbers that would take minutes or gigabytes as integers compare at once, and rightly.
func TestNumbersBeyondBounds(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("9", 1_000_000)
	cases := []struct{ schema, number, want string }{
		{`{"minimum":5,"maximum":1e999}`, "1e400", ""},
		{`{"type":"integer","maximum":1e999}`, "1e1000001", "number_lte"},
		{`{"maximum":1e999}`, "1e999999999999999999999", "number_lte"},
		{`{"minimum":-1e999}`, "-1e999999999", "number_gte"},
		{`{"exclusiveMinimum":0,"maximum":1e-999}`, "1e-999999999", ""},
		{`{"exclusiveMaximum":0}`, "-1e-999999999", ""},
		{`{"minimum":1e-999}`, "1e-999999999", "number_gte"},
		{`{"type":"integer"}`, "1e-999999999", "invalid_type"},
		{`{"maximum":1e999}`, digits, "number_lte"},
		{`{"maximum":1}`, "0." + digits, ""},
		{`{"maximum":1}`, "1." + digits, "number_lte"},
		{`{"multipleOf":10}`, "1e999999999", ""},
		{`{"multipleOf":0.1}`, "0." + digits, "multiple_of"},
		{`{"const":1e400}`, "10e399", ""},
		{`{"const":12345678901234567890}`, "12345678901234567891", "const"},
	}
	for _, c := range cases {
		violations := mustValidate(t, mustCompile(t, c.schema), c.number)
		got := ""
		if len(violations) == 1 {
			got = strings.TrimPrefix(violations[0].Error, "(root)_")
		}
		if got != c.want || len(violations) > 1 {
			t.Errorf("%s on %.30s: got %.100s, want %q", c.schema, c.number, summary(violations), c.want)
		}
	}
}
