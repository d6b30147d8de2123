// Package script finds actions and handlers of events in directories, and runs
// the executables in them as steps.
//
// A directory holds one folder for each action; every regular file in it is a
// step, ordered by its name, but for validate-input.json and
// validate-output.json, which are JSON Schemas. Beside the folders there may be a
// file named repeatable: the names of actions, one a line (# begins a comment),
// that do no harm when they are run again after the agent was killed. What changes in these folders
// and files counts from the next task on; only what looks to stat(2) as before is not read again.
//
// A step runs in a process group of its own, with pipes for its input, output,
// error text and, for a task, commands. It is over when it has exited and the
// pipes it writes to are at their end. A process that it has left in the
// background and that keeps one of them open is waited for, 5 seconds long;
// then the step is over all the same, with a warning. Such a process may go on
// printing as long as the agent lives: it is read, and dropped. That holds for
// 64 pipes; beyond them, and when the agent ends, it meets a broken pipe
// (SIGPIPE) at the next line it prints. A daemon should therefore be started
// with its output elsewhere.
//
// What a step costs the agent is little more than the fork: one goroutine, and
// as a rule no thread and no file of package os. BenchmarkStep measures it.
package script

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cluster-agent/worker"
)

const (
	inputSchema  = "validate-input.json"
	outputSchema = "validate-output.json"
)

// Source is a directory of actions. It is a [worker.Source].
type Source struct {
	dir        string
	runner     *Runner
	listings   listings
	repeatable declared
}

var _ worker.Source = (*Source)(nil)

// NewSource makes a source of the folders in dir, which need not exist; their
// steps are run by runner.
func NewSource(dir string, runner *Runner) *Source {
	return &Source{
		dir: dir, runner: runner,
		listings:   listings{now: time.Now},
		repeatable: declared{now: time.Now},
	}
}

// Names lists the folders of the directory.
func (s *Source) Names() ([]string, error) {
	entries, err := s.listings.of(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if info, err := os.Stat(filepath.Join(s.dir, entry.Name())); err == nil && info.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Lookup returns the steps and schemas in the folder of that name.
func (s *Source) Lookup(name string) (worker.Action, error) {
	action := worker.Action{Name: name}
	if !isFolderName(name) {
		return action, nil
	}
	var err error
	if action.Repeatable, err = s.repeatable.has(s.dir, name); err != nil {
		return action, err
	}
	folder := filepath.Join(s.dir, name)
	entries, err := s.listings.of(folder)
	if err != nil {
		return action, fmt.Errorf("read steps: %w", err)
	}
	for _, entry := range entries {
		if err := s.add(&action, folder, entry); err != nil {
			return action, err
		}
	}
	return action, nil
}

func (s *Source) add(action *worker.Action, folder string, entry fs.DirEntry) error {
	path := filepath.Join(folder, entry.Name())
	switch entry.Name() {
	case inputSchema:
		return readSchema(path, &action.Input)
	case outputSchema:
		return readSchema(path, &action.Output)
	}
	if !isFile(path, entry) {
		return nil
	}
	action.Steps = append(action.Steps, worker.Step{Name: entry.Name(), Run: s.runner.step(path)})
	return nil
}

// readSchema reads one that is there. What cannot be read must not let input
// pass unchecked.
func readSchema(path string, schema *worker.Schema) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path) // a pipe would be waited for
	}
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	*schema = worker.Schema{Name: path, Source: source}
	return nil
}

// isFile tells whether an entry is a regular file, or a link to one. One whose
// target is gone counts too: it is skipped with a warning when its turn comes.
func isFile(path string, entry fs.DirEntry) bool {
	if entry.Type().IsRegular() {
		return true
	}
	if entry.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

// isFolderName keeps an action's name, which comes from Redis, from leaving the directory.
func isFolderName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}
