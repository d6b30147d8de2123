package worker

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// writes remembers each write by itself.
type writes struct{ all []string }

// Write implements [io.Writer].
func (w *writes) Write(p []byte) (int, error) {
	w.all = append(w.all, string(p))
	return len(p), nil
}

// TestLines: only whole lines are passed on, each at once, and nothing is lost.
func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	for name, c := range map[string]struct{ printed, passed []string }{
		"nothing":             {nil, nil},
		"whole lines":         {[]string{"a\nb\n", "c\n"}, []string{"a\nb\n", "c\n"}},
		"a line in parts":     {[]string{"a", "b", "", "c\nd"}, []string{"abc\n", "d\n"}},
		"the last is not one": {[]string{"a\nb"}, []string{"a\n", "b\n"}},
		"as long as may be":   {[]string{long, "\n"}, []string{long + "\n"}},
		"longer":              {[]string{long, "y", "z"}, []string{long + "y\n", "z\n"}},
		"longer at once":      {[]string{long + "y", "z\n"}, []string{long + "y\n", "z\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := &writes{}
			copied := &lines{to: &journal{w: seen}}
			for _, text := range c.printed {
				if n, err := copied.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}
			copied.flush()
			if !slices.Equal(seen.all, c.passed) {
				t.Fatalf("passed %d lines, want %d: %.80q", len(seen.all), len(c.passed), seen.all)
			}
		})
	}
}

// TestLinesKeepLittle: a step that never ends its line takes no memory.
func TestLinesKeepLittle(t *testing.T) {
	t.Parallel()
	copied := &lines{to: &journal{w: &bytes.Buffer{}}}
	for range 100 {
		if _, err := copied.Write(make([]byte, maxLine/3)); err != nil {
			t.Fatal(err)
		}
	}
	if cap(copied.rest) > 4*maxLine {
		t.Fatalf("%d bytes are kept back", cap(copied.rest))
	}
}
