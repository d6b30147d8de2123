package vpn

import (
	"slices"
	"strings"
)

// section is a header and the lines up to the next one, as written.
type section struct {
	lead   []string // comment lines directly above the header: they speak of what follows
	header string   // as written; empty for what stands before the first header
	lines  []string

	// known is what peer has read from the lines: a file of ten thousand peers is
	// looked through several times. Who changes lines forgets it.
	known *knownPeer
}

// knownPeer is what a section says of a peer.
type knownPeer struct {
	ConfPeer
	ok  bool // it is one
	odd bool // it says more than a ConfPeer holds: two keys, an endpoint or allowed IPs that are no addresses
}

// header returns the name of the section that line begins.
func header(line string) (string, bool) {
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(text, "[") {
		return "", false
	}
	text = strings.TrimSpace(withoutComment(text))
	return strings.Trim(text, "[]"), true
}

func withoutComment(line string) string {
	text, _, _ := strings.Cut(line, "#")
	return text
}

// keyValue splits a line; the key is as written and empty for comments and blank
// lines. Keys are compared with [isKey].
func keyValue(line string) (key, value string) {
	key, value, _ = strings.Cut(withoutComment(line), "=")
	return strings.TrimSpace(key), strings.TrimSpace(value)
}

// isKey compares keys as wg does, in any case. Those of wg are ASCII.
func isKey(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// is tells whether the section has a name, in any case.
func (s section) is(name string) bool {
	text, found := header(s.header)
	return found && strings.EqualFold(text, name)
}

// yield hands out the section's lines, and says whether all were wanted.
func (s section) yield(to func(string) bool) bool {
	for _, line := range s.lead {
		if !to(line) {
			return false
		}
	}
	if s.header != "" && !to(s.header) {
		return false
	}
	for _, line := range s.lines {
		if !to(line) {
			return false
		}
	}
	return true
}

// values returns the values of a key, without comments.
func (s section) values(key string) []string {
	var values []string
	for _, line := range s.lines {
		if k, v := keyValue(line); isKey(k, key) {
			values = append(values, v)
		}
	}
	return values
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
		if k, _ := keyValue(line); isKey(k, key) {
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
	s.lines, s.known = kept, nil
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

// endsWithBlank tells whether the section ends with exactly one blank line, as
// endWithBlank leaves it.
func (s section) endsWithBlank() bool {
	end := len(s.lines) - 1
	return end >= 0 && s.lines[end] == "" && (end == 0 || strings.TrimSpace(s.lines[end-1]) != "")
}
