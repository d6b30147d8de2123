package worker

import (
	"bytes"
	"strings"
	"testing"
)

func TestBoundedBuffer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit  int
		writes []string
		want   string
		note   string
	}{
		"nothing":          {limit: 4},
		"within":           {4, []string{"ab", "cd"}, "abcd", ""},
		"over in one":      {4, []string{"abcdef"}, "abcd", "The output was cut after 4 bytes: 2 more were dropped"},
		"over in many":     {4, []string{"abc", "de", "fgh", ""}, "abcd", "The output was cut after 4 bytes: 4 more were dropped"},
		"no room":          {0, []string{"a"}, "", "The output was cut after 0 bytes: 1 more were dropped"},
		"full to the brim": {4, []string{"abcd", ""}, "abcd", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			buffer := &boundedBuffer{limit: c.limit}
			for _, text := range c.writes {
				if n, err := buffer.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}
			if got := string(buffer.bytes()); got != c.want || buffer.note("output") != c.note {
				t.Fatalf("got %q and %q, want %q and %q", got, buffer.note("output"), c.want, c.note)
			}
		})
	}
}

// TestEngineHasItsSay: its lines are kept, on lines of their own, however much
// was printed.
func TestEngineHasItsSay(t *testing.T) {
	t.Parallel()
	buffer := &boundedBuffer{limit: 6}
	buffer.say("first")
	for _, text := range []string{"abcd", "efgh"} {
		if _, err := buffer.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	buffer.say("last")
	if got := string(buffer.bytes()); got != "first\nabcdef\nlast\n" {
		t.Fatalf("got %q", got)
	}
}

// TestBoundedBufferKeepsNoMore: however much is written, memory is bounded.
func TestBoundedBufferKeepsNoMore(t *testing.T) {
	t.Parallel()
	buffer := &boundedBuffer{limit: 1 << 10}
	line := []byte(strings.Repeat("x", 1<<10))
	for range 1 << 14 {
		if _, err := buffer.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if held := buffer.kept.Cap(); held > 64<<10 {
		t.Fatalf("%d bytes are held for a limit of %d", held, buffer.limit)
	}
	if !bytes.Equal(buffer.bytes(), line) {
		t.Fatal("not the first bytes")
	}
}
