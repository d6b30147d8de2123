package schema

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// link has the engine read, check and resolve a decoded schema. A panic of the
// engine is an error of that schema: no file in a directory of actions may end
// the agent.
func link(name string, doc any, shared *library) (linked *jsonschema.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			linked, err = nil, fmt.Errorf("read schema: %v", cause)
		}
	}()
	return compile(name, doc, shared)
}

// compile hands a document to the engine and has it compiled, with what it
// refers to.
func compile(name string, doc any, shared *library) (*jsonschema.Schema, error) {
	if err := checkSize(doc); err != nil {
		return nil, err
	}
	compiler := newCompiler(shared)
	base := location(name)
	if err := compiler.AddResource(base, tidy(doc)); err != nil {
		return nil, oneLine(err)
	}
	linked, err := compiler.Compile(base)
	if err != nil {
		return nil, oneLine(err)
	}
	return linked, nil
}

// newCompiler returns an engine that knows our formats and loads nothing but
// the shared documents.
func newCompiler(shared *library) *jsonschema.Compiler {
	patterns := &patternReader{left: maxPatterns}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.UseLoader(shared)
	compiler.UseRegexpEngine(patterns.compile)
	for name, accepts := range formats() {
		compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: asEngineFormat(accepts)})
	}
	return compiler
}

// location makes the URL that stands for a schema's name.
func location(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return (&url.URL{Scheme: "file", Path: name}).String()
}

// oneLine flattens the engine's error trees, since a task's error text is made of lines.
func oneLine(err error) error {
	text := err.Error()
	if !strings.Contains(text, "\n") {
		return err
	}
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimSpace(line), "- ")
	}
	return errors.New(strings.Join(lines, ": "))
}
