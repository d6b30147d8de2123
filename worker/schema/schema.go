// Package schema checks JSON documents, the input of a task or the output of
// an action, against JSON Schemas of draft-07 and names what is wrong with
// them as the agent protocol does.
//
// The names are part of a contract: user interfaces translate `invalid_type`
// or `number_gte`, and older agents answer with the same list for the same
// document. An engine that is maintained (github.com/santhosh-tekuri/jsonschema)
// reads a schema, checks it against its metaschema and resolves its references;
// its own verdict stops at the first fault of a value, though, and cannot tell
// which branch of an anyOf came closest. So the linked schema is turned into
// rules, and those are walked here to find every fault.
//
// Where the contract departs from JSON Schema, the contract wins:
//
//   - a number never satisfies a format, whatever the format;
//   - formats accept what they accept elsewhere in a cluster: a uuid has lower
//     case letters, a date-time may be a lone date or a lone time;
//   - a `$schema` that is absent or unknown means draft-07, in which a boolean
//     exclusiveMinimum or exclusiveMaximum is understood too.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Schema is a compiled JSON Schema. It is immutable: any number of goroutines
// may call Validate at once.
type Schema struct {
	root *rule
}

// Document is a JSON Schema under a name, usually the path of its file.
type Document struct {
	Name   string
	Source []byte
	Err    error // why there is no Source; nil: there is
}

// CompileError says that a schema cannot be used, and why.
type CompileError struct {
	Name string // as given to Compile
	Err  error
}

// Error names the schema and the fault, on one line.
func (e *CompileError) Error() string {
	return fmt.Sprintf("Schema compile error for file %s: %v", e.Name, e.Err)
}

// Unwrap returns the fault alone.
func (e *CompileError) Unwrap() error { return e.Err }

// Compile reads a schema. The name appears in messages and is what relative
// references start from. References reach into the schema itself, into the
// metaschemas of draft-04, -06 and -07, and into the shared documents, by their
// `$id` or else their name; nothing is ever fetched from a disk or a network.
// A schema that leads back to itself without going deeper into the document is
// refused, since checking it would never end, and so is one of a size that would
// take too long. Every error is a *CompileError.
//
// A shared document that is broken is the trouble of those that refer to it.
func Compile(name string, source []byte, shared ...Document) (*Schema, error) {
	return compileWith(name, source, newLibrary(shared))
}

func compileWith(name string, source []byte, shared *library) (*Schema, error) {
	doc, err := decode(source)
	if err != nil {
		return nil, &CompileError{Name: name, Err: err}
	}
	linked, err := link(name, doc, shared)
	if err != nil {
		return nil, &CompileError{Name: name, Err: err}
	}
	root, err := translate(linked)
	if err != nil {
		return nil, &CompileError{Name: name, Err: err}
	}
	return &Schema{root: root}, nil
}

// Validate lists what is wrong with a document, sorted by field and then by
// error; nil means that it satisfies the schema. The error is for a document
// that is no JSON, and is worded as json.Unmarshal words it, or for one that would
// take too long. Violations without number are not all listed.
func (s *Schema) Validate(document []byte) ([]Violation, error) {
	found, err := s.validate(document)
	return found.violations, err
}

func (s *Schema) validate(document []byte) (outcome, error) {
	value, err := decode(document)
	if err != nil {
		return outcome{}, unmarshalError(document, err)
	}
	found := outcome{}
	walk := walker{path: make([]string, 0, 8), left: baseEffort + effortPerByte*len(document)}
	walk.check(s.root, value, &found)
	if walk.exhausted() {
		if found.ok() {
			return outcome{}, errEffort
		}
		found.dropped++ // what was found is right, but hardly all
	}
	sortViolations(found.violations)
	return found, nil
}

// unmarshalError returns what json.Unmarshal says of a document that cannot be
// decoded: a decoder says only "unexpected EOF" where that says more.
func unmarshalError(document []byte, decoding error) error {
	var raw json.RawMessage
	if err := json.Unmarshal(document, &raw); err != nil {
		return err
	}
	return decoding
}

// decode reads exactly one JSON value and keeps its numbers as they are written.
func decode(source []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(source))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected data after top-level value")
	}
	return value, nil
}
