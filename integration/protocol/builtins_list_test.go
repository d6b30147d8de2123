package protocol

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// names returns the list that list-actions gave, sorted.
func (r report) names() []string {
	r.t.Helper()
	r.ends("completed", "0").errs("").tells("pending 0, running 0, completed 100")
	var names []string
	must(r.t, json.Unmarshal([]byte(r.output), &names))
	slices.Sort(names)
	return names
}

// Rule (section 4): "`list-actions`: output is a JSON list of all action names: directories of every `--actionsdir`,
// compiled-in ones, `list-actions`, `cancel-task`; no name twice."
func TestListActions(t *testing.T) {
	t.Parallel()
	n, c := clusterAgent(t)
	n.step("mine/10", "")
	n.step("both/10", "")
	n.step("add-node/15", "")
	n.step("list-actions/10", "")
	n.file("later/both/20", 0o755, "")
	n.file("later/ä \"ö\"/10", 0o755, "")
	n.file("later/no-action", 0o755, "")
	must(t, os.Mkdir(n.path("later/empty"), 0o755))
	got := c.run("list-actions", "").names()
	for _, name := range []string{"add-node", "create-cluster", "both", "cancel-task", "empty", "list-actions", "mine", `ä "ö"`} {
		if !slices.Contains(got, name) {
			t.Errorf("%q is not listed", name)
		}
	}
	if slices.Contains(got, "no-action") || !slices.Equal(got, slices.Compact(slices.Clone(got))) {
		t.Errorf("listed are %q", got)
	}
}

// Rule (section 4): "`list-actions`: output is a JSON list of all action names: directories of every `--actionsdir`"
//
// As they are when it is asked; one that is not there has none.
func TestListActionsOfNow(t *testing.T) {
	t.Parallel()
	n, c := twoFolders(t, agentID, nil)
	if got := c.run("list-actions", `{"any":"input"}`).names(); !slices.Equal(got, []string{"cancel-task", "list-actions"}) {
		t.Errorf("listed are %q", got)
	}
	n.file("later/new/10", 0o755, "")
	if got := c.run("list-actions", "null").names(); !slices.Equal(got, []string{"cancel-task", "list-actions", "new"}) {
		t.Errorf("listed are %q", got)
	}
	must(t, os.RemoveAll(n.path("later")))
	must(t, os.RemoveAll(n.path("actions")))
	if got := c.run("list-actions", "").names(); !slices.Equal(got, []string{"cancel-task", "list-actions"}) {
		t.Errorf("listed are %q", got)
	}
}

// Rule (section 4): "Both builtins cannot be replaced by a directory."
func TestBuiltinsCannotBeReplaced(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	for _, builtin := range []string{"list-actions", "cancel-task"} {
		n.step(builtin+"/10", "echo replaced; touch ../replaced")
		n.file("actions/"+builtin+"/validate-input.json", 0o644, "false")
	}
	if got := c.run("list-actions", "").names(); !slices.Equal(got, []string{"cancel-task", "list-actions"}) {
		t.Errorf("listed are %q", got)
	}
	if r := c.run("cancel-task", `{"task":"u"}`).ends("validation-failed", "2"); strings.Contains(r.output, "replaced") {
		t.Errorf("output is %q", r.output)
	}
	if n.isFile("replaced") {
		t.Error("a step of a directory ran")
	}
}
