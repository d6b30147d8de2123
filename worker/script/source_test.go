package script_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cluster-agent/worker/script"
)

// TestSource: which files are steps, and in which order.
func TestSource(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, name := range []string{"b", "B", "10x", "9x", ".hidden", "README", "with space"} {
		a.step(name, "exit 0")
	}
	a.file("actions/a/folder/10", 0o755, "")
	a.file("actions/a/validate-input.json", 0o644, "in")
	a.file("actions/a/validate-output.json", 0o644, "out")
	must(t, os.Symlink("b", filepath.Join(a.dir, "actions/a/link")))
	must(t, os.Symlink("folder", filepath.Join(a.dir, "actions/a/linked-folder")))
	got, err := script.NewSource(filepath.Join(a.dir, "actions"), a.runner).Lookup("a")
	must(t, err)
	names := make([]string, 0, len(got.Steps))
	for _, step := range got.Steps {
		names = append(names, step.Name)
	}
	want := []string{".hidden", "10x", "9x", "B", "README", "b", "link", "with space"}
	if got.Name != "a" || !slices.Equal(names, want) {
		t.Fatalf("steps are %q, want %q", names, want)
	}
	if !strings.HasSuffix(got.Input.Name, "a/validate-input.json") || string(got.Input.Source) != "in" || string(got.Output.Source) != "out" {
		t.Fatalf("schemas are %+v and %+v", got.Input, got.Output)
	}
}

// TestNames: every folder is an action, what is no folder is none.
func TestNames(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.file("actions/b/10", 0o755, "")
	a.file("actions/a/10", 0o755, "")
	a.file("actions/file", 0o644, "")
	must(t, os.Symlink("a", filepath.Join(a.dir, "actions/linked")))
	must(t, os.Symlink("nowhere", filepath.Join(a.dir, "actions/broken")))
	names, err := script.NewSource(filepath.Join(a.dir, "actions"), a.runner).Names()
	must(t, err)
	if !slices.Equal(names, []string{"a", "b", "linked"}) {
		t.Fatalf("names are %q", names)
	}
}

// TestNothingThere: a folder that does not exist, or is none, has no actions.
func TestNothingThere(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.file("file", 0o644, "")
	for _, dir := range []string{"nowhere", "file"} {
		source := script.NewSource(filepath.Join(a.dir, dir), a.runner)
		names, err := source.Names()
		must(t, err)
		action, err := source.Lookup("a")
		must(t, err)
		if len(names) != 0 || len(action.Steps) != 0 {
			t.Errorf("%s has %q and %+v", dir, names, action)
		}
	}
}

// TestStrangeNames: an action's name comes from outside; it leads nowhere but
// into the folder.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.file("outside/10", 0o755, "")
	a.file("actions/in/deep/10", 0o755, "")
	a.file("actions/10", 0o755, "")
	source := script.NewSource(filepath.Join(a.dir, "actions"), a.runner)
	for _, name := range []string{"", ".", "..", "../outside", "in/deep", "/", "a\x00", strings.Repeat("x", 300), "nope", "10"} {
		action, err := source.Lookup(name)
		if err != nil || len(action.Steps) != 0 || action.Input.Name != "" {
			t.Errorf("%q: %+v, %v", name, action, err)
		}
	}
}

// TestUnreadableSchema: an action whose schema cannot be read is not run without it.
func TestUnreadableSchema(t *testing.T) {
	t.Parallel()
	for what, put := range map[string]func(path string) error{
		"a link to nowhere": func(path string) error { return os.Symlink("nowhere", path) },
		"a folder":          func(path string) error { return os.Mkdir(path, 0o755) },
		"a pipe":            func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		for _, schema := range []string{"validate-input.json", "validate-output.json"} {
			a := start(t)
			a.step("10", "echo never")
			must(t, put(filepath.Join(a.dir, "actions/a", schema)))
			got := a.do("null")
			if got.ExitCode != 1 || len(got.Output) != 0 || !strings.Contains(string(got.Error), "read schema") {
				t.Errorf("%s as %s: got %d %q %q", what, schema, got.ExitCode, got.Output, got.Error)
			}
		}
	}
}
