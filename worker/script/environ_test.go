package script

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestBaseEnviron: what steps share is made anew when the file has changed, if
// only in one letter, and no step changes it.
func TestBaseEnviron(t *testing.T) {
	t.Parallel()
	var base baseEnviron
	agents := []string{"A=agent", "B=agent", "A=again", "odd", ""}
	for _, c := range []struct {
		content string
		more    []Variable
		want    string
	}{
		{"", nil, "A=again B=agent odd"},
		{"B=1\n", nil, "A=again B=1 odd"},
		{"B=2\nC=1\nC=2\n", []Variable{{"A", "step"}, {"D", "step"}}, "A=step B=2 odd C=2 D=step"},
		{"B=2\nC=1\nC=2\n", []Variable{{"E", "step"}}, "A=again B=2 odd C=2 E=step"},
		{"B=2\nC=1\nC=3\n", nil, "A=again B=2 odd C=3"},
		{"", nil, "A=again B=agent odd"},
	} {
		got := strings.Join(base.with(agents, []byte(c.content)).and(c.more), " ")
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.content, got, c.want)
		}
	}
}

// FuzzEnviron wants what package os/exec makes of the same lines.
func FuzzEnviron(f *testing.F) {
	f.Add("A=1\nB=2\nA=3\nodd\n", "B=3\nC=4\nC=5\n", "A", "6")
	f.Add("A=\n\nA\nA=a=b", "#A=1\n", "D", "")
	f.Fuzz(func(t *testing.T, agents, file, name, value string) {
		lines := slices.DeleteFunc(strings.Split(agents, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "=") || strings.ContainsRune(line, 0) // which no environment holds
		})
		if name == "" || strings.ContainsAny(name+value, "=\x00") {
			return
		}
		variables := parseEnvironment(file)
		got := newEnviron(lines, variables).and([]Variable{{name, value}})
		all := slices.Clone(lines)
		for _, v := range append(variables, Variable{name, value}) {
			all = append(all, v.Name+"="+v.Value)
		}
		want := (&exec.Cmd{Env: all}).Environ()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
