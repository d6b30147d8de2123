package script

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseEnvironment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    []Variable
	}{
		"empty":                {"", nil},
		"as they stand":        {"A=1\nB=two words\nC=\"quoted\" 'x' $A\\\n", []Variable{{"A", "1"}, {"B", "two words"}, {"C", `"quoted" 'x' $A\`}}},
		"equals in the value":  {"A=b=c=\n", []Variable{{"A", "b=c="}}},
		"empty values":         {"A=\nB=", []Variable{{"A", ""}, {"B", ""}}},
		"no newline at last":   {"A=1", []Variable{{"A", "1"}}},
		"lines of Windows":     {"A=1\r\nB=2\r\n", []Variable{{"A", "1"}, {"B", "2"}}},
		"spaces in the value":  {"A= x \t\n", []Variable{{"A", " x \t"}}},
		"no variables":         {"\n# comment\n#A=1\nA\n=x\n A=1\nA =1\nexport A=1\n", nil},
		"bytes of any kind":    {"A=\xff\xfe\nB=\x00\nC\x00=1\nD=ü\n", []Variable{{"A", "\xff\xfe"}, {"D", "ü"}}},
		"twice":                {"A=1\nA=2\n", []Variable{{"A", "1"}, {"A", "2"}}},
		"a very long one":      {"A=" + strings.Repeat("x", 1<<20), []Variable{{"A", strings.Repeat("x", 1<<20)}}},
		"names as others like": {"a.b-c=1\n1=2\n", []Variable{{"a.b-c", "1"}, {"1", "2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := parseEnvironment(c.content); !slices.Equal(got, c.want) {
				t.Fatalf("got %.200q, want %.200q", got, c.want)
			}
		})
	}
}

func TestReadEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, err := ReadEnvironment(filepath.Join(dir, "none")); err != nil || got != nil {
		t.Errorf("a missing file is %v, %v", got, err)
	}
	if _, err := ReadEnvironment(dir); err == nil {
		t.Error("a folder is no error")
	}
	path := filepath.Join(dir, "environment")
	if err := os.WriteFile(path, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadEnvironment(path); err != nil || !slices.Equal(got, []Variable{{"A", "1"}}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestReadFile: of any length.
func TestReadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, length := range []int{0, 1, 1023, 1024, 1025, 2048, 4096, 1 << 20} {
		want := strings.Repeat("x", length)
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readFile(path); err != nil || string(got) != want {
			t.Errorf("of %d bytes: got %d, %v", length, len(got), err)
		}
	}
}

// FuzzEnvironment wants of any file: each variable can be given to a process,
// and stands in the file as a line of its own.
func FuzzEnvironment(f *testing.F) {
	for _, content := range []string{"A=1\nB=two words\n", "#\n=\n", "A\x00=\nB=\x00", "A=1\r\nB", "\r=\r"} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		lines := strings.Split(content, "\n")
		for i, line := range lines {
			lines[i] = strings.TrimRight(line, "\r")
		}
		for _, v := range parseEnvironment(content) {
			if v.Name == "" || strings.ContainsAny(v.Name, "=\n\x00") || strings.ContainsAny(v.Value, "\n\x00") {
				t.Fatalf("%q cannot be given to a process", v)
			}
			if !slices.Contains(lines, v.Name+"="+v.Value) {
				t.Fatalf("%q does not stand in %q", v, content)
			}
		}
	})
}
