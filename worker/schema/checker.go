package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"cluster-agent/worker"
)

// Checker checks what tasks take and give. It is a [worker.SchemaChecker], and
// keeps the schemas it has compiled, by name, as long as they do not change.
type Checker struct {
	shared []Document

	mu       sync.Mutex
	compiled map[string]compiledSchema
}

type compiledSchema struct {
	source []byte
	schema *Schema
}

var _ worker.SchemaChecker = (*Checker)(nil)

// NewChecker returns a checker whose schemas may refer to the shared documents.
func NewChecker(shared ...Document) *Checker {
	return &Checker{shared: shared, compiled: map[string]compiledSchema{}}
}

// Check implements [worker.SchemaChecker].
func (c *Checker) Check(source worker.Schema, document []byte) (*worker.Violations, error) {
	schema, err := c.schema(source)
	if err != nil {
		return nil, err
	}
	violations, err := schema.Validate(document)
	if err != nil {
		return nil, fmt.Errorf("JSON unmarshal error: %w", err)
	}
	if len(violations) == 0 {
		return nil, nil //nolint:nilnil // nil violations mean that all is well, see SchemaChecker
	}
	return report(violations)
}

func (c *Checker) schema(source worker.Schema) (*Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, found := c.compiled[source.Name]; found && bytes.Equal(known.source, source.Source) {
		return known.schema, nil
	}
	schema, err := Compile(source.Name, source.Source, c.shared...)
	if err != nil {
		return nil, err
	}
	c.compiled[source.Name] = compiledSchema{source: source.Source, schema: schema}
	return schema, nil
}

// maxReport bounds the list of violations, in bytes: each holds the value that
// is wrong, and a large array of equal items would be told once for each item.
const maxReport = 1 << 20

func report(violations []Violation) (*worker.Violations, error) {
	var words []string
	list := []byte{'['}
	for i, violation := range violations {
		item, err := json.Marshal(violation)
		if err != nil {
			return nil, fmt.Errorf("encode violations: %w", err)
		}
		if i > 0 && len(list)+len(item) > maxReport {
			words = append(words, fmt.Sprintf("and %d more", len(violations)-i))
			break
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, item...)
		words = append(words, violation.String())
	}
	return &worker.Violations{JSON: append(list, ']'), Text: "[" + strings.Join(words, ", ") + "]"}, nil
}
