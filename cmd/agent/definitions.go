package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"cluster-agent/worker/schema"
)

// definitionsFile is in AGENT_INSTALL_DIR, if anywhere; schemas of actions may
// refer to what it defines.
const definitionsFile = "validator-definitions.json"

// sharedSchemas are the documents that schemas may refer to. They are read when a
// schema that refers to them is checked, as directories of actions are when a
// task starts: an update of the file needs no restart, and one that is broken is
// the trouble of those actions alone. What is wrong already is said at start.
func sharedSchemas(installDir string, log *logrus.Entry) []func() schema.Document {
	if installDir == "" {
		return nil
	}
	read := func() schema.Document {
		path := filepath.Join(installDir, definitionsFile)
		source, err := os.ReadFile(path)
		return schema.Document{Name: path, Source: source, Err: err}
	}
	if err := checkDefinitions(read()); err != nil {
		log.Warnf("Actions whose schema refers to %s will abort: %v", filepath.Join(installDir, definitionsFile), err)
	}
	return []func() schema.Document{read}
}

// checkDefinitions tells what is wrong with the file; none is nothing wrong.
func checkDefinitions(document schema.Document) error {
	switch {
	case errors.Is(document.Err, fs.ErrNotExist):
		return nil
	case document.Err != nil:
		return document.Err
	}
	_, err := schema.Compile(document.Name, document.Source)
	if fault, ok := errors.AsType[*schema.CompileError](err); ok {
		return fault.Err
	}
	return err
}
