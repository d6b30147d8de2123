package schema

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// errNoLoading is what a reference to a document that nobody supplied meets:
// an action must mean the same on every node, connected or not.
var errNoLoading = errors.New("schemas are not loaded from files or the network")

// library is the engine's loader: it has the shared documents, and nothing
// else. They are read when a schema refers to something outside of itself, so
// that a broken one is no trouble to the others.
type library struct {
	read func() []Document

	asked     bool // whether a schema referred to something outside of itself
	documents []Document
}

// newLibrary returns a library of documents that are there already.
func newLibrary(documents []Document) *library {
	return &library{read: func() []Document { return documents }}
}

// Load implements [jsonschema.URLLoader].
func (l *library) Load(at string) (any, error) {
	if !l.asked {
		l.asked, l.documents = true, l.read()
	}
	err := errNoLoading
	for _, document := range l.documents {
		found, broken := document.decode()
		switch {
		case broken != nil:
			// It may be the one, whose $id nobody knows.
			err = fmt.Errorf("%w; shared document %s: %w", err, document.Name, broken)
		case found.location == at:
			return found.prepare(document.Name)
		}
	}
	return nil, err
}

// changed tells whether a schema that was compiled with the library might be
// another now.
func (l *library) changed() bool {
	return l.asked && !slices.EqualFunc(l.documents, l.read(), Document.equal)
}

func (d Document) equal(other Document) bool {
	return d.Name == other.Name && bytes.Equal(d.Source, other.Source) && fmt.Sprint(d.Err) == fmt.Sprint(other.Err)
}

// sharedDocument is one that could be read.
type sharedDocument struct {
	location string // URL, without a fragment
	value    any
}

// decode reads a document and finds its location: its $id, or else its name.
func (d Document) decode() (sharedDocument, error) {
	if d.Err != nil {
		return sharedDocument{}, d.Err
	}
	value, err := decode(d.Source)
	if err != nil {
		return sharedDocument{}, err
	}
	at, err := url.Parse(location(d.Name))
	if err != nil {
		return sharedDocument{}, err
	}
	if object, ok := value.(map[string]any); ok {
		if id, ok := object["$id"].(string); ok {
			if at, err = at.Parse(id); err != nil {
				return sharedDocument{}, fmt.Errorf("read $id: %w", err)
			}
		}
	}
	at.Fragment = ""
	return sharedDocument{location: at.String(), value: value}, nil
}

// prepare makes a document ready for the engine.
func (d sharedDocument) prepare(name string) (any, error) {
	if err := checkSize(d.value); err != nil {
		return nil, fmt.Errorf("shared document %s: %w", name, err)
	}
	return tidy(d.value), nil
}
