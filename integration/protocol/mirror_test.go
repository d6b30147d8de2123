package protocol

import (
	"maps"
	"testing"
)

// mirrored is what Redis has of the agent's environment file.
func (n *node) mirrored() map[string]string {
	n.t.Helper()
	variables, err := n.redis.Admin().HGetAll(n.t.Context(), n.id+"/environment").Result()
	must(n.t, err)
	return variables
}

// Rule (section 2): "`<agent id>/environment` (a copy of the `environment` file)"
func TestEnvironmentCopy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want map[string]string
	}{
		"some lines":            {"A=1\nB=two words\n", map[string]string{"A": "1", "B": "two words"}},
		"values as is":          {"A=\"quoted\"\nB=x=y\nC=\nD= $HOME # é\n", map[string]string{"A": `"quoted"`, "B": "x=y", "C": "", "D": " $HOME # é"}},
		"no newline at the end": {"A=1\nB=2", map[string]string{"A": "1", "B": "2"}},
		"the last one counts":   {"A=1\nA=2\n", map[string]string{"A": "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.file("state/environment", 0o644, c.file)
			n.step("a/10", "true")
			n.start(nil)
			n.do("1", "a")
			if got := n.mirrored(); !maps.Equal(got, c.want) {
				t.Errorf("it has %q, want %q", got, c.want)
			}
		})
	}
}

// TestEnvironmentCopyIsNew: it is copied as the steps have left it, and what is
// gone from the file goes from the copy.
//
// Rule (section 2): "one MULTI/EXEC with DEL and HSET
// `<agent id>/environment` (a copy of the `environment` file)"
func TestEnvironmentCopyIsNew(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("state/environment", 0o644, "OLD=1\nKEPT=2\n")
	n.step("read/10", "true")
	n.step("change/10", "printf 'KEPT=3\\nNEW=4\\n' >environment; exit 1")
	n.start(nil)
	n.do("1", "read")
	n.do("2", "change")
	if got, want := n.mirrored(), map[string]string{"KEPT": "3", "NEW": "4"}; !maps.Equal(got, want) {
		t.Errorf("it has %q, want %q", got, want)
	}
}

// Rule (section 2): "an empty environment must not make that transaction
// fail"
func TestEmptyEnvironment(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"no file": "-", "empty file": "", "blank lines": "\n\n", "comments": "# A=1\n", "no variables": "nothing\n=2\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			if file != "-" {
				n.file("state/environment", 0o644, file)
			}
			n.redis.Do(t, "hset", agentID+"/environment", "OLD", "1")
			n.step("a/10", "echo well; exit 4")
			p := n.start(nil)
			n.do("1", "a")
			n.want("1", "exit_code", "4")
			n.want("1", "output", "well\n")
			if got := n.mirrored(); len(got) != 0 {
				t.Errorf("it has %q", got)
			}
			p.drain()
			n.wantNothingLeft()
		})
	}
}
