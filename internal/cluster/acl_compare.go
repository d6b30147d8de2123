package cluster

import (
	"slices"
	"strings"
)

// sameUser tells whether two lines of ACL LIST grant the same. They may come
// from two servers, and Redis 7.0 lists single commands in an order that differs
// from process to process.
func sameUser(a, b string) bool { return slices.Equal(canonical(a), canonical(b)) }

// canonical splits a line into its words, in an order that does not depend on
// the server. Where the order of rules decides what they grant, it is kept.
func canonical(line string) []string {
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(line))
	// It is what a user has anyway: those that were loaded from a file lack the word.
	words = slices.DeleteFunc(words, func(word string) bool { return word == "sanitize-payload" })
	for start := 0; start < len(words); start++ {
		end := start
		for end < len(words) && isCommand(words[end]) {
			end++
		}
		if run := words[start:end]; independent(run) {
			slices.SortFunc(run, func(a, b string) int { return strings.Compare(a[1:], b[1:]) })
		}
		start = end
	}
	return words
}

// isCommand tells rules for one command, +get, from those for a category, +@read.
func isCommand(word string) bool {
	return len(word) > 1 && (word[0] == '+' || word[0] == '-') && word[1] != '@'
}

// independent tells whether rules grant the same in every order: no two are for
// the same command, or for a command and a subcommand of it.
func independent(rules []string) bool {
	seen := map[string]bool{}
	for _, rule := range rules {
		if seen[rule[1:]] {
			return false
		}
		seen[rule[1:]] = true
	}
	for _, rule := range rules {
		command, _, isSub := strings.Cut(rule[1:], "|")
		if isSub && seen[command] {
			return false
		}
	}
	return true
}
