package schema

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// errNoLoading is what a reference to a document that nobody supplied meets:
// an action must mean the same on every node, connected or not.
var errNoLoading = errors.New("schemas are not loaded from files or the network")

// refuser is the engine's loader: it loads nothing.
type refuser struct{}

// Load refuses every URL.
func (refuser) Load(string) (any, error) { return nil, errNoLoading }

// link has the engine read, check and resolve a decoded schema. A panic of the
// engine is an error of that schema: no file in a directory of actions may end
// the agent.
func link(name string, doc any, shared []Document) (linked *jsonschema.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			linked, err = nil, fmt.Errorf("read schema: %v", cause)
		}
	}()
	return compile(name, doc, shared)
}

// compile hands all documents to the engine and has it compile the first.
func compile(name string, doc any, shared []Document) (*jsonschema.Schema, error) {
	compiler := newCompiler()
	for _, document := range shared {
		if err := addShared(compiler, document); err != nil {
			return nil, fmt.Errorf("add schema %s: %w", document.Name, err)
		}
	}
	base := location(name)
	if err := add(compiler, base, doc); err != nil {
		return nil, err
	}
	linked, err := compiler.Compile(base)
	if err != nil {
		return nil, oneLine(err)
	}
	return linked, nil
}

// newCompiler returns an engine that knows our formats and loads nothing.
func newCompiler() *jsonschema.Compiler {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.UseLoader(refuser{})
	for name, accepts := range formats() {
		compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: asEngineFormat(accepts)})
	}
	return compiler
}

// addShared makes a further document known by its $id, or else by its name.
func addShared(compiler *jsonschema.Compiler, document Document) error {
	doc, err := decode(document.Source)
	if err != nil {
		return err
	}
	at, err := url.Parse(location(document.Name))
	if err != nil {
		return err
	}
	if object, ok := doc.(map[string]any); ok {
		if id, ok := object["$id"].(string); ok {
			if at, err = at.Parse(id); err != nil {
				return err
			}
		}
	}
	return add(compiler, at.String(), doc)
}

// add hands one document, tidied, to the engine.
func add(compiler *jsonschema.Compiler, at string, doc any) error {
	if err := checkNumbers(doc); err != nil {
		return err
	}
	if err := compiler.AddResource(at, tidy(doc)); err != nil {
		return oneLine(err)
	}
	return nil
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
