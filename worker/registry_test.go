package worker_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"cluster-agent/worker"
)

// folder is a source in memory: actions by name.
type folder struct {
	actions map[string]worker.Action
	err     error
}

var errFolder = errors.New("permission denied")

// Names implements [worker.Source].
func (f folder) Names() ([]string, error) {
	return slices.Collect(maps.Keys(f.actions)), f.err
}

// Lookup implements [worker.Source].
func (f folder) Lookup(name string) (worker.Action, error) { return f.actions[name], f.err }

// steps makes an action whose steps write what is called they are called.
func steps(origin string, names ...string) worker.Action {
	made := worker.Action{Name: "x"}
	for _, name := range names {
		made.Steps = append(made.Steps, worker.Step{Name: name, Run: says(origin + name + " ")})
	}
	return made
}

func dir(actions ...worker.Action) folder {
	f := folder{actions: map[string]worker.Action{}}
	for _, a := range actions {
		f.actions[a.Name] = a
	}
	return f
}

// TestMerging: steps are ordered by name, in the order of bytes; a later source
// replaces an earlier one, and any source replaces what is compiled in.
func TestMerging(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		compiled []worker.Action
		sources  []worker.Source
		want     string
	}{
		"compiled in, in any order": {compiled: []worker.Action{steps("c:", "20b", "10a", "9c")}, want: "c:10a c:20b c:9c "},
		"a source alone":            {sources: []worker.Source{dir(steps("s:", "10a", "20b"))}, want: "s:10a s:20b "},
		"a step put between": {
			compiled: []worker.Action{steps("c:", "10a", "30c")},
			sources:  []worker.Source{dir(steps("s:", "20b"))}, want: "c:10a s:20b c:30c ",
		},
		"before and after": {
			compiled: []worker.Action{steps("c:", "10a")},
			sources:  []worker.Source{dir(steps("s:", "05z", "99z"))}, want: "s:05z c:10a s:99z ",
		},
		"a step replaced": {
			compiled: []worker.Action{steps("c:", "10a", "20b")},
			sources:  []worker.Source{dir(steps("s:", "20b"))}, want: "c:10a s:20b ",
		},
		"the later source wins": {
			compiled: []worker.Action{steps("c:", "10a", "20b", "30c")},
			sources:  []worker.Source{dir(steps("s1:", "20b", "30c")), dir(steps("s2:", "30c", "40d"))},
			want:     "c:10a s1:20b s2:30c s2:40d ",
		},
		"bytes, not letters": {
			sources: []worker.Source{dir(steps("", "b", "B", "10", "2", "é")), dir(steps("", "a"))}, want: "10 2 B a b é ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				registry, err := worker.NewRegistry(c.compiled, c.sources...)
				must(t, err)
				e := start(t, nil, func(cfg *worker.Config) { cfg.Actions = registry })
				for _, id := range []string{"1", "2"} { // looking up changes nothing
					e.push(id, "x")
					if got := string(e.Result(t, id).Output); got != c.want {
						t.Fatalf("steps were %q, want %q", got, c.want)
					}
				}
			})
		})
	}
}

// TestMergingSchemas: the last source that has a schema gives it.
func TestMergingSchemas(t *testing.T) {
	t.Parallel()
	compiled := with(steps("c:", "10a"), schema("compiled in"), schema("compiled out"))
	first := with(steps("s:"), schema("first in"), schema("first out"))
	second := with(steps("s:"), none, schema("second out"))
	registry, err := worker.NewRegistry([]worker.Action{compiled}, dir(first), dir(second))
	must(t, err)
	got, err := registry.Lookup("x")
	must(t, err)
	if got.Name != "x" || got.Input.Name != "schema first in" || got.Output.Name != "schema second out" || len(got.Steps) != 1 {
		t.Fatalf("got %+v", got)
	}
}

// TestSchemaAlone: an action that has schemas and no step is no action.
func TestSchemaAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry, err := worker.NewRegistry(nil, dir(with(worker.Action{Name: "x"}, schema("7"), none)))
		must(t, err)
		e := start(t, nil, func(cfg *worker.Config) { cfg.Actions = registry })
		if got := e.do("x"); got.ExitCode != 8 || string(got.Error) != "Action x is not defined\n" {
			t.Fatalf("got %d %q", got.ExitCode, got.Error)
		}
	})
}

// TestSourceFails: an action whose folder cannot be read is aborted, and called
// by its name.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry, err := worker.NewRegistry([]worker.Action{steps("c:", "10a")}, folder{err: errFolder})
		must(t, err)
		e := start(t, nil, func(cfg *worker.Config) { cfg.Actions = registry })
		if got := e.do("x"); got.ExitCode != 1 || !strings.Contains(string(got.Error), "permission denied") || len(got.Output) != 0 {
			t.Fatalf("got %d %q", got.ExitCode, got.Error)
		}
		e.wantLine(`action "x" status is "aborted" (1)`)
	})
}

// TestBadRegistry: what cannot be meant is an error at the start, that says where.
func TestBadRegistry(t *testing.T) {
	t.Parallel()
	idle := func(context.Context, *worker.Call) error { return nil }
	for want, actions := range map[string][]worker.Action{
		`register action "x": registered twice`:            {{Name: "x"}, {Name: "x"}},
		`register action "": an action needs a name`:       {{}},
		`register action "x": step "a" is there twice`:     {steps("", "a", "b", "a")},
		`register action "x": step 0 ("") needs a name`:    {{Name: "x", Steps: []worker.Step{{Run: idle}}}},
		`register action "x": step 0 ("a") needs a name`:   {{Name: "x", Steps: []worker.Step{{Name: "a"}}}},
		`register action "x": step 1 ("b") needs a name, `: {{Name: "x", Steps: []worker.Step{{Name: "b", Run: idle, Weight: -1}, {Name: "a", Run: idle}}}},
	} {
		if _, err := worker.NewRegistry(actions); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// TestListActions: all names, sorted, each once, the engine's own among them;
// a source that cannot be read costs a line in the log, not the list.
func TestListActions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		compiled := []worker.Action{{Name: "c"}, {Name: "a"}, {Name: "cancel-task"}}
		broken := dir(worker.Action{Name: "z"})
		broken.err = errFolder
		registry, err := worker.NewRegistry(compiled, dir(worker.Action{Name: "b"}, worker.Action{Name: "a"}), broken)
		must(t, err)
		e := start(t, nil, func(cfg *worker.Config) { cfg.Actions = registry })
		got := e.do("list-actions")
		if got.ExitCode != 0 || got.Final != completed || !got.Builtin || string(got.Output) != `["a","b","c","cancel-task","list-actions","z"]` {
			t.Fatalf("got %+v", got)
		}
		if told := e.Told("1"); !slices.Contains(told, toldRunning) {
			t.Fatalf("told %+v", told)
		}
		e.wantLine("permission denied")
		e.wantLine(`task/module/m1/1: action "list-actions" status is "completed" (0) at step`)
	})
}

// TestBuiltinsCannotBeReplaced by a directory or by what is compiled in.
func TestBuiltinsCannotBeReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := worker.Action{Name: "list-actions", Steps: steps("other", "10a").Steps}
		registry, err := worker.NewRegistry([]worker.Action{other}, dir(other))
		must(t, err)
		e := start(t, nil, func(cfg *worker.Config) { cfg.Actions = registry })
		if got := string(e.do("list-actions").Output); got != `["cancel-task","list-actions"]` {
			t.Fatalf("output is %s", got)
		}
	})
}

// TestRepeatable: steps that a directory adds are not known to be, unless it says so.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	compiled := steps("c:", "10a")
	compiled.Repeatable = true
	declared := steps("d:", "20b")
	declared.Repeatable = true
	bare := worker.Action{Name: declared.Name, Repeatable: true}
	for name, c := range map[string]struct {
		sources []worker.Source
		want    bool
	}{
		"compiled in":              {nil, true},
		"with steps of others":     {[]worker.Source{dir(steps("d:", "20b"))}, false},
		"with declared steps":      {[]worker.Source{dir(declared)}, true},
		"declared by another":      {[]worker.Source{dir(steps("d:", "20b")), dir(bare)}, true},
		"a directory without them": {[]worker.Source{dir()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry, err := worker.NewRegistry([]worker.Action{compiled}, c.sources...)
			must(t, err)
			action, err := registry.Lookup(compiled.Name)
			if err != nil || action.Repeatable != c.want {
				t.Fatalf("%v, %v", action.Repeatable, err)
			}
		})
	}
}
