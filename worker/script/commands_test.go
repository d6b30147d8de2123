package script

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// notes is a run that notes how it is steered.
type notes struct{ seen []string }

var errRange = errors.New("must be between 0 and 100")

// Progress implements steering.
func (n *notes) Progress(percent int) error {
	if percent < 0 || percent > 100 {
		return errRange
	}
	n.seen = append(n.seen, fmt.Sprint("progress ", percent))
	return nil
}

// SetWeight implements steering.
func (n *notes) SetWeight(step string, weight int) error {
	n.seen = append(n.seen, fmt.Sprintf("weight %s %d", step, weight))
	return nil
}

// FailValidation implements steering.
func (n *notes) FailValidation() { n.seen = append(n.seen, "validation-failed") }

// say says all of text on a channel, in the pieces in which it can be read.
func say(t *testing.T, text io.Reader, call steering, complain func(error)) {
	t.Helper()
	c := &channel{call: call, complain: complain}
	if _, err := io.Copy(struct{ io.Writer }{c}, text); err != nil {
		t.Fatal(err)
	}
	c.end()
}

// TestCommands: each line is obeyed or complained of; none ends the reading.
func TestCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		channel  string
		seen     []string
		complain string // words of the complaints, in order, separated by |
	}{
		"nothing":              {channel: ""},
		"empty lines":          {channel: "\n\n\r\n"},
		"each command":         {"set-progress 50\nset-weight 20two 3\nset-status validation-failed\n", []string{"progress 50", "weight 20two 3", "validation-failed"}, ""},
		"no newline at last":   {"set-progress 1\nset-progress 2", []string{"progress 1", "progress 2"}, ""},
		"lines of Windows":     {"set-progress 7\r\n", []string{"progress 7"}, ""},
		"quoted fields":        {`"set-weight" "10 with space" "3"` + "\n" + `set-progress "50"`, []string{"weight 10 with space 3", "progress 50"}, ""},
		"a quote in a quote":   {`set-weight "say ""hi""" 1`, []string{`weight say "hi" 1`}, ""},
		"no argument":          {"set-progress\nset-weight\nset-weight a\nset-status\nset-progress 9\n", []string{"progress 9"}, "not one of|not one of|not one of|not one of"},
		"too many arguments":   {"set-progress 1 2\nset-weight a 1 2\nset-status validation-failed x\n", nil, "not one of|not one of|not one of"},
		"two spaces":           {"set-progress  1\n", nil, "not one of"},
		"a space at the end":   {"set-progress 1 \n", []string{"progress 1"}, ""},
		"no number":            {"set-progress x\nset-weight a 1.5\nset-progress 99999999999999999999\n", nil, "read progress|read weight|read progress"},
		"out of range":         {"set-progress 101\nset-progress -1\nset-progress 66\n", []string{"progress 66"}, "between 0 and 100|between 0 and 100"},
		"an unknown status":    {"set-status running\nset-status completed\n", nil, "only validation-failed|only validation-failed"},
		"an unknown command":   {"boo\nSET-PROGRESS 5\n", nil, "not one of|not one of"},
		"a stray quote":        {"set-weight \"a 1\nset-weight a\" 1\nset-weight \"a\"b 1\nset-progress 3\n", []string{"progress 3"}, "split into fields|split into fields|split into fields"},
		"bytes of any kind":    {"\x00\xff\xfe\n\"\x00\n\r\nset-progress 4\n", []string{"progress 4"}, "not one of|split into fields"},
		"a lone return":        {"\r\r\nset-progress 4\n", []string{"progress 4"}, "split into fields"},
		"a million bytes":      {strings.Repeat("x", 1e6) + "\nset-progress 5\n", []string{"progress 5"}, "longer than"},
		"a million and no end": {"set-progress 5\n" + strings.Repeat("x", 1e6), []string{"progress 5"}, "longer than"},
		"a million good ones":  {strings.Repeat("set-progress 5\n", 1e4), slices.Repeat([]string{"progress 5"}, 1e4), ""},
		"as long as may be":    {"set-weight " + strings.Repeat("x", maxCommand-14) + " 1\n", []string{"weight " + strings.Repeat("x", maxCommand-14) + " 1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, text := range []io.Reader{
				strings.NewReader(c.channel), iotest.HalfReader(strings.NewReader(c.channel)), iotest.OneByteReader(strings.NewReader(c.channel)),
			} {
				var n notes
				var complaints []string
				say(t, text, &n, func(err error) { complaints = append(complaints, err.Error()) })
				if !slices.Equal(n.seen, c.seen) {
					t.Errorf("obeyed %.300q, want %.300q", n.seen, c.seen)
				}
				wantWords(t, complaints, c.complain)
			}
		})
	}
}

// TestCommandsShown: what is no command may be a secret, and does not reach the log.
func TestCommandsShown(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"set-progress x":                  `command "set-progress x": `,
		"set-weight a b":                  `command "set-weight a b": `,
		"set-env PASSWORD hunter2":        `command "set-env" and 16 bytes more: `,
		"dump-env":                        `command "dump-env": `,
		"PASSWORD=hunter2":                `command of 16 bytes: `,
		`"PASSWORD" hunter2`:              `command of 18 bytes: `,
		" hunter2":                        `command of 8 bytes: `,
		strings.Repeat("x", 201):          `command of 201 bytes: `,
		"set-progress\x00\x1b[31mred\xff": `command of 22 bytes: `,
	} {
		var complaints []string
		say(t, strings.NewReader(line), &notes{}, func(err error) { complaints = append(complaints, err.Error()) })
		if len(complaints) != 1 || !strings.HasPrefix(complaints[0], want) || strings.Contains(complaints[0], "hunter") {
			t.Errorf("%q: complaints are %q", line, complaints)
		}
	}
}

func wantWords(t *testing.T, complaints []string, want string) {
	t.Helper()
	var words []string
	if want != "" {
		words = strings.Split(want, "|")
	}
	if len(complaints) != len(words) {
		t.Fatalf("%d complaints, want %d: %.300q", len(complaints), len(words), complaints)
	}
	for i, word := range words {
		if !strings.Contains(complaints[i], word) || len(complaints[i]) > 2000 {
			t.Errorf("complaint %.300q, want %q", complaints[i], word)
		}
	}
}

// FuzzCommands wants of any bytes on the channel: no panic, no end before the
// end, nothing obeyed that was not commanded, and a good command still works.
func FuzzCommands(f *testing.F) {
	for _, channel := range []string{
		"set-progress 50\n", "set-weight \"10 with space\" 3\n", "set-status validation-failed\n",
		"set-progress\n", "\"\n\"", "\x00\r\r\n", "set-weight a\" 1",
	} {
		f.Add([]byte(channel))
	}
	f.Fuzz(func(t *testing.T, channel []byte) {
		var n notes
		complaints := 0
		all := io.MultiReader(strings.NewReader(string(channel)+"\n"), strings.NewReader("set-progress 42\n"))
		say(t, all, &n, func(error) { complaints++ })
		if len(n.seen) == 0 || n.seen[len(n.seen)-1] != "progress 42" {
			t.Fatalf("the good command was not obeyed: %q", n.seen)
		}
		if lines := strings.Count(string(channel), "\n") + 2; len(n.seen)+complaints > lines {
			t.Fatalf("%d commands and %d complaints out of %d lines", len(n.seen), complaints, lines)
		}
		for _, seen := range n.seen[:len(n.seen)-1] {
			wantCommanded(t, channel, seen)
		}
	})
}

// wantCommanded wants the last word of what was obeyed to stand in the channel:
// a number may be written with a sign or zeros before it.
func wantCommanded(t *testing.T, channel []byte, seen string) {
	t.Helper()
	word := seen[strings.LastIndexByte(seen, ' ')+1:]
	if _, err := strconv.Atoi(word); err == nil {
		word = strings.TrimPrefix(word, "-")
	}
	if !strings.Contains(string(channel), word) {
		t.Fatalf("obeyed %q, which nobody said", seen)
	}
}
