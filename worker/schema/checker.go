package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"cluster-agent/worker"
)

// Checker checks what tasks take and give. It is a [worker.SchemaChecker], and
// keeps the schemas it has compiled, by name, as long as neither they nor the
// shared documents that they refer to change.
type Checker struct {
	shared []func() Document

	mu       sync.Mutex
	compiled map[string]compiledSchema
}

type compiledSchema struct {
	source []byte
	schema *Schema
	shared *library
}

var _ worker.SchemaChecker = (*Checker)(nil)

// NewChecker returns a checker whose schemas may refer to the shared documents,
// as they are at the time of a check.
func NewChecker(shared ...func() Document) *Checker {
	return &Checker{shared: shared, compiled: map[string]compiledSchema{}}
}

// Check implements [worker.SchemaChecker].
//
// A panic is an error of that check: it runs outside of the steps, where it
// would end the agent.
func (c *Checker) Check(source worker.Schema, document []byte) (found *worker.Violations, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			found, err = nil, fmt.Errorf("check against %s panicked: %v", source.Name, cause)
		}
	}()
	schema, err := c.schema(source)
	if err != nil {
		return nil, err
	}
	violations, err := schema.validate(document)
	switch {
	case errors.Is(err, errEffort):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("JSON unmarshal error: %w", err)
	case violations.ok():
		return nil, nil //nolint:nilnil // nil violations mean that all is well, see SchemaChecker
	}
	return report(violations)
}

func (c *Checker) schema(source worker.Schema) (*Schema, error) {
	if known, found := c.known(source.Name); found && bytes.Equal(known.source, source.Source) && !known.shared.changed() {
		return known.schema, nil
	}
	shared := &library{read: c.documents}
	schema, err := compileWith(source.Name, source.Source, shared)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compiled[source.Name] = compiledSchema{source: source.Source, schema: schema, shared: shared}
	return schema, nil
}

func (c *Checker) known(name string) (compiledSchema, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, found := c.compiled[name]
	return known, found
}

// documents reads the shared documents.
func (c *Checker) documents() []Document {
	documents := make([]Document, len(c.shared))
	for i, read := range c.shared {
		documents[i] = read()
	}
	return documents
}

// maxReport bounds the list of violations, in bytes: each holds the value that
// is wrong, and a large array of equal items would be told once for each item.
const maxReport = 1 << 20

func report(found outcome) (*worker.Violations, error) {
	var words []string
	list := []byte{'['}
	more := found.dropped
	for i, violation := range found.violations {
		item, err := json.Marshal(violation)
		if err != nil {
			return nil, fmt.Errorf("encode violations: %w", err)
		}
		if i > 0 && len(list)+len(item) > maxReport {
			more += len(found.violations) - i
			break
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, item...)
		words = append(words, violation.String())
	}
	if more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return &worker.Violations{JSON: append(list, ']'), Text: "[" + strings.Join(words, ", ") + "]"}, nil
}
