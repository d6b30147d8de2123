package vpn

import (
	"bytes"
	"slices"
	"strings"
)

// section is a header and the lines up to the next one, as written.
type section struct {
	lead   []string // comment lines directly above the header: they speak of what follows
	header string   // as written; empty for what stands before the first header
	lines  []string
}

// header returns the lower-case name of the section that line begins.
func header(line string) (string, bool) {
	text := strings.TrimSpace(withoutComment(line))
	if !strings.HasPrefix(text, "[") {
		return "", false
	}
	return strings.ToLower(strings.Trim(text, "[]")), true
}

func withoutComment(line string) string {
	text, _, _ := strings.Cut(line, "#")
	return text
}

// keyValue splits a line; the key is in lower case and empty for comments and
// blank lines.
func keyValue(line string) (key, value string) {
	key, value, _ = strings.Cut(withoutComment(line), "=")
	return strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
}

func (s section) name() string {
	name, _ := header(s.header)
	return name
}

func (s section) render(b *bytes.Buffer) {
	for _, line := range s.lead {
		b.WriteString(line + "\n")
	}
	if s.header != "" {
		b.WriteString(s.header + "\n")
	}
	for _, line := range s.lines {
		b.WriteString(line + "\n")
	}
}

// values returns the values of a key, without comments.
func (s section) values(key string) []string {
	var values []string
	for _, line := range s.lines {
		if k, v := keyValue(line); k == strings.ToLower(key) {
			values = append(values, v)
		}
	}
	return values
}

// last returns the last value of a key, which is the one that wg uses.
func (s section) last(key string) string {
	values := s.values(key)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// set gives key the values, one line each, where its first line stood or after
// the last line that is not blank. Lines that say so already stay as they are.
func (s *section) set(key string, values ...string) {
	if slices.Equal(s.values(key), values) {
		return
	}
	at := -1
	var kept []string
	for _, line := range s.lines {
		if k, _ := keyValue(line); k == strings.ToLower(key) {
			if at < 0 {
				at = len(kept)
			}
			continue
		}
		kept = append(kept, line)
	}
	if at < 0 {
		at = textEnd(kept)
	}
	for i, value := range values {
		kept = slices.Insert(kept, at+i, key+" = "+value)
	}
	s.lines = kept
}

// textEnd returns the index after the last line that is not blank.
func textEnd(lines []string) int {
	end := len(lines)
	for end > 0 && strings.TrimSpace(lines[end-1]) == "" {
		end--
	}
	return end
}

// cutLead takes the comment lines at the end of the section: they stand
// directly above the header that comes next.
func (s *section) cutLead() []string {
	at := len(s.lines)
	for at > 0 && strings.HasPrefix(strings.TrimSpace(s.lines[at-1]), "#") {
		at--
	}
	lead := slices.Clone(s.lines[at:])
	s.lines = s.lines[:at]
	return lead
}

// endWithBlank makes the section end with exactly one blank line.
func (s *section) endWithBlank() {
	s.lines = append(s.lines[:textEnd(s.lines)], "")
}
