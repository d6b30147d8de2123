package actions_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cluster-agent/actions"
	"cluster-agent/events"
	"cluster-agent/internal/node"
	"cluster-agent/worker"
	"cluster-agent/worker/schema"
)

// compiled is a list of actions, or of handlers, and the directory that holds
// a folder for each.
type compiled struct {
	dir  string
	list []worker.Action
}

// everything that is compiled into agents.
func everything() []compiled {
	machine := &node.Machine{}
	return []compiled{
		{".", slices.Concat(actions.Cluster(machine, version), actions.Node(machine))},
		{"../events", events.Node(machine, node.NewFlight(nil))},
	}
}

// TestFoldersAreRegistered: a directory listing says what there is, and in
// which order it runs.
func TestFoldersAreRegistered(t *testing.T) {
	t.Parallel()
	for _, c := range everything() {
		entries, err := os.ReadDir(c.dir)
		must(t, err)
		var folders []string
		for _, entry := range entries {
			if entry.IsDir() && entry.Name() != "testdata" {
				folders = append(folders, entry.Name())
			}
		}
		names := make([]string, 0, len(c.list))
		for _, action := range c.list {
			names = append(names, action.Name)
			wantSteps(t, filepath.Join(c.dir, action.Name), action)
		}
		slices.Sort(names)
		if !slices.Equal(folders, names) {
			t.Errorf("%s: folders %v, registered %v", c.dir, folders, names)
		}
	}
}

// wantSteps compares an action's steps with the files of its folder.
func wantSteps(t *testing.T, folder string, action worker.Action) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "[0-9]*.go"))
	must(t, err)
	fromFiles := make([]string, 0, len(files))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".go")
		if !regexp.MustCompile(`^[0-9]{2}[a-z_]+$`).MatchString(name) {
			t.Errorf("%s is not called as a step is, 10name.go", file)
		}
		fromFiles = append(fromFiles, name)
	}
	steps := make([]string, 0, len(action.Steps))
	for _, step := range action.Steps {
		steps = append(steps, step.Name)
	}
	if !slices.IsSorted(steps) {
		t.Errorf("%s: steps are listed in another order than they run: %v", folder, steps)
	}
	if !slices.Equal(steps, fromFiles) {
		t.Errorf("%s: files of steps %v, steps %v", folder, fromFiles, steps)
	}
}

// TestPackagesAreDocumented: each says in the first words what action or event
// it is.
func TestPackagesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, c := range everything() {
		for _, action := range c.list {
			folder := filepath.Join(c.dir, action.Name)
			doc := packageDoc(t, folder)
			name := strings.ReplaceAll(action.Name, "-", "")
			if !strings.HasPrefix(doc, "Package "+name+" ") || !strings.Contains(doc, action.Name) {
				t.Errorf("%s: the package comment does not name it:\n%s", folder, doc)
			}
		}
		if packageDoc(t, c.dir) == "" {
			t.Errorf("%s has no package comment", c.dir)
		}
	}
}

// packageDoc is the one package comment of a folder.
func packageDoc(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	must(t, err)
	var docs []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		must(t, err)
		if parsed.Doc != nil {
			docs = append(docs, parsed.Doc.Text())
		}
	}
	if len(docs) > 1 {
		t.Errorf("%s has %d package comments", folder, len(docs))
	}
	return strings.Join(docs, "\n")
}

// TestSchemas: each action says what it takes, with an example of it, unless
// it takes nothing.
func TestSchemas(t *testing.T) {
	t.Parallel()
	checker := schema.NewChecker()
	for _, action := range everything()[0].list {
		takesNothing := strings.Contains(packageDoc(t, action.Name), "input   none")
		if action.Input.Name == "" && !takesNothing {
			t.Errorf("%s has no input schema", action.Name)
		}
		for _, side := range []worker.Schema{action.Input, action.Output} {
			if side.Name != "" {
				wantGoodSchema(t, checker, action.Name, side)
			}
		}
	}
}

func wantGoodSchema(t *testing.T, checker worker.SchemaChecker, action string, side worker.Schema) {
	t.Helper()
	folder, file := filepath.Split(side.Name)
	if folder != action+"/" || (file != "validate-input.json" && file != "validate-output.json") {
		t.Errorf("schema of %s is named %s", action, side.Name)
	}
	if read(t, side.Name) != string(side.Source) {
		t.Errorf("%s is not what is compiled in", side.Name)
	}
	var parts struct {
		Examples    []json.RawMessage
		Title       string
		Description string
	}
	must(t, json.Unmarshal(side.Source, &parts))
	if len(parts.Examples) == 0 || parts.Title == "" || parts.Description == "" {
		t.Errorf("%s lacks a title, a description or an example", side.Name)
	}
	for _, example := range parts.Examples {
		violations, err := checker.Check(side, example)
		if err != nil || violations != nil {
			t.Errorf("%s: example %s: %v, %+v", side.Name, example, err, violations)
		}
	}
	if violations, err := checker.Check(side, []byte(`null`)); err != nil || violations == nil {
		t.Errorf("%s: nothing at all satisfies it: %v", side.Name, err)
	}
}
