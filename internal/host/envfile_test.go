package host

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadEnv(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	put(t, path, strings.Join([]string{
		"# comment", "; comment", "", "no assignment", "=x",
		"PLAIN=value", "  SPACED = a b  ", "EMPTY=", "URL=redis://h:1/?a=b",
		`DOUBLE="a \"b\" \\ \$ \n #"`, `SINGLE='a "b" \'`, `MIXED=a"b c"'d e'\ f`,
		"TWICE=1", "TWICE=2", "CR=x\r", "HASH=a#b",
	}, "\n"))
	want := map[string]string{
		"PLAIN": "value", "SPACED": "a b", "EMPTY": "", "URL": "redis://h:1/?a=b",
		"DOUBLE": `a "b" \ $ \n #`, "SINGLE": `a "b" \`, "MIXED": "ab cd e f",
		"TWICE": "2", "CR": "x", "HASH": "a#b",
	}
	got, err := ReadEnv(path)
	must(t, err)
	if !maps.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestReadEnvErrors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	if _, err := ReadEnv(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	put(t, path, "A=1\nB=\"x\n")
	if _, err := ReadEnv(path); err == nil || !strings.Contains(err.Error(), "variable B: quote is not closed") {
		t.Errorf("open quote: %v", err)
	}
}

func TestUpdateEnv(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	for _, test := range []struct {
		name, text, want string
		vars             []Var
	}{
		{"new file", "", "A=1\nB=2\n", []Var{{"A", "1"}, {"B", "2"}}},
		{"order and others stay", "# c\nB=0\nX='y'\nA=1\n", "# c\nB=2\nX='y'\nA=1\n", []Var{{"A", "1"}, {"B", "2"}}},
		{"later duplicates go", "A=0\nC=3\nA=9\n", "A=1\nC=3\n", []Var{{"A", "1"}}},
		{"no final newline", "C=3", "C=3\nA=1\n", []Var{{"A", "1"}}},
		{"replaced without final newline", "C=3\nA=0", "C=3\nA=1", []Var{{"A", "1"}}},
		{"quoted", "", "A=\"a b \\\"c\\\"\"\n", []Var{{"A", `a b "c"`}}},
		{"comment is no variable", "#A=0\n", "#A=0\nA=1\n", []Var{{"A", "1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "env")
			if test.text != "" {
				put(t, path, test.text)
			}
			_, err := files.UpdateEnv(t.Context(), path, Public(), test.vars...)
			must(t, err)
			if got := content(t, path); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			again, err := files.UpdateEnv(t.Context(), path, Public(), test.vars...)
			if err != nil || again != Kept {
				t.Errorf("second update: %s, %v", again, err)
			}
		})
	}
}

func TestUpdateEnvRefuses(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	path := filepath.Join(files.Root(), "env")
	for _, v := range []Var{{"", "x"}, {"A B", "x"}, {"A=", "x"}, {"A", "x\nB=y"}} {
		if _, err := files.UpdateEnv(t.Context(), path, Public(), v); err == nil {
			t.Errorf("%q was taken", v)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

// FuzzEnvQuote: what is written is read back.
func FuzzEnvQuote(f *testing.F) {
	f.Add(`plain`)
	f.Add(` a "b" \$'c' #`)
	f.Fuzz(func(t *testing.T, value string) {
		line, err := setEnvLine("", Var{"A", value})
		if err != nil {
			t.Skip("refused")
		}
		_, raw, ok := splitEnvLine(line)
		got, err := unquoteEnv(raw)
		if !ok || err != nil || got != value {
			t.Errorf("%q was written as %q and read as %q (%v)", value, line, got, err)
		}
	})
}
