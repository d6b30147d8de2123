package schema

import "testing"

func BenchmarkValidate(b *testing.B) {
	vectors := loadVectors(b)
	schema := mustCompile(b, string(vectors[1].Schema))
	document := []byte(vectors[1].Input)
	b.ReportAllocs()
	for b.Loop() {
		if violations, err := schema.Validate(document); err != nil || violations != nil {
			b.Fatal(violations, err)
		}
	}
}

func BenchmarkValidateViolations(b *testing.B) {
	schema := mustCompile(b, `{"required":["a","b"],"anyOf":[{"required":["c"]},{"required":["d"]}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if violations, err := schema.Validate([]byte(`{}`)); err != nil || len(violations) != 4 {
			b.Fatal(violations, err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	source := loadVectors(b)[1].Schema
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("bench.json", source); err != nil {
			b.Fatal(err)
		}
	}
}
