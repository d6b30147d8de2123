package protocol

import (
	"slices"
	"strings"

	"cluster-agent/worker/redisq/redistest"
)

// spoken is a command in one line, its name in lower case, with quotes only
// around words with blanks.
func spoken(c redistest.Command) string {
	words := slices.Clone(c.Words)
	words[0] = strings.ToLower(words[0])
	for i, word := range words {
		if word == "" || strings.ContainsAny(word, " \n") {
			words[i] = "'" + word + "'"
		}
	}
	return strings.Join(words, " ")
}

// begins makes the function that finds a command by how it begins.
func begins(text string) func(redistest.Command) bool {
	return func(c redistest.Command) bool { return strings.HasPrefix(spoken(c)+" ", text+" ") }
}

// times makes the function that finds the n-th of the commands found by is.
func times(n int, is func(redistest.Command) bool) func(redistest.Command) bool {
	return func(c redistest.Command) bool {
		if is(c) {
			n--
		}
		return n == 0
	}
}

// allSpoken are the commands that is finds, as lines.
func allSpoken(seen []redistest.Command, is func(redistest.Command) bool) []string {
	var lines []string
	for _, command := range seen {
		if is(command) {
			lines = append(lines, spoken(command))
		}
	}
	return lines
}
