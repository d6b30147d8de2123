package setup

import (
	"slices"
	"strings"
)

// redisConf is the text of a redis.conf, by lines with their endings. Lines
// that it is not told to change keep every byte.
type redisConf struct {
	lines []string
}

func parseConf(text string) *redisConf {
	return &redisConf{lines: slices.Collect(strings.Lines(text))}
}

func (c *redisConf) String() string {
	return strings.Join(c.lines, "")
}

// directive splits an active line into its lower-cased name and its words.
func directive(line string) (name string, words []string, ok bool) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return "", nil, false
	}
	words, ok = splitWords(line)
	if !ok || len(words) == 0 {
		return "", nil, false
	}
	return strings.ToLower(words[0]), words[1:], true
}

// all returns the words of every active line of the directive.
func (c *redisConf) all(name string) [][]string {
	var found [][]string
	for _, line := range c.lines {
		if n, words, ok := directive(line); ok && n == name {
			found = append(found, words)
		}
	}
	return found
}

// get returns the value that counts, the last one, with its words joined.
func (c *redisConf) get(name string) (value string, set bool) {
	found := c.all(name)
	if len(found) == 0 {
		return "", false
	}
	return strings.Join(found[len(found)-1], " "), true
}

// set replaces the active line that counts, or appends one.
func (c *redisConf) set(name string, words ...string) {
	for i, line := range slices.Backward(c.lines) {
		if n, _, ok := directive(line); ok && n == name {
			c.lines[i] = confLine(name, words)
			return
		}
	}
	c.add(name, words...)
}

// add appends a line.
func (c *redisConf) add(name string, words ...string) {
	if last := len(c.lines) - 1; last >= 0 && !strings.HasSuffix(c.lines[last], "\n") {
		c.lines[last] += "\n"
	}
	c.lines = append(c.lines, confLine(name, words))
}

// drop removes the active lines of the directive that match.
func (c *redisConf) drop(name string, match func(words []string) bool) {
	c.lines = slices.DeleteFunc(c.lines, func(line string) bool {
		n, words, ok := directive(line)
		return ok && n == name && match(words)
	})
}

func confLine(name string, words []string) string {
	var out strings.Builder
	out.WriteString(name)
	for _, word := range words {
		out.WriteString(" " + quoteWord(word))
	}
	out.WriteByte('\n')
	return out.String()
}
