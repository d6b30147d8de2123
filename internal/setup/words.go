package setup

import (
	"strconv"
	"strings"
)

// splitWords splits a line of redis.conf into its words as Redis does: words in
// double quotes may hold \n \r \t \b \a, \xHH and escaped characters, those in
// single quotes only \'. It returns false for quotes that are not closed, or
// not followed by a space.
func splitWords(line string) ([]string, bool) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t\r\n\v\f")
		if line == "" {
			return words, true
		}
		word, rest, ok := nextWord(line)
		if !ok {
			return nil, false
		}
		words, line = append(words, word), rest
	}
}

func nextWord(line string) (word, rest string, ok bool) {
	switch line[0] {
	case '"', '\'':
		word, rest, ok = quotedWord(line)
		return word, rest, ok && (rest == "" || strings.ContainsRune(" \t\r\n\v\f", rune(rest[0])))
	default:
		end := strings.IndexAny(line, " \t\r\n\v\f")
		if end < 0 {
			end = len(line)
		}
		return line[:end], line[end:], true
	}
}

func quotedWord(line string) (word, rest string, ok bool) {
	var out strings.Builder
	quote := line[0]
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == quote:
			return out.String(), line[i+1:], true
		case c == '\\' && i+1 < len(line) && (quote == '"' || line[i+1] == '\''):
			char, length := escaped(line[i+1:])
			out.WriteByte(char)
			i += length
		default:
			out.WriteByte(c)
		}
	}
	return "", "", false
}

// escaped decodes what follows a backslash and returns its length.
func escaped(s string) (char byte, length int) {
	if s[0] == 'x' && len(s) >= 3 {
		if value, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return byte(value), 3
		}
	}
	if i := strings.IndexByte("nrtba", s[0]); i >= 0 {
		return "\n\r\t\b\a"[i], 1
	}
	return s[0], 1
}

// quoteWord writes a word so that Redis reads it back.
func quoteWord(word string) string {
	if word != "" && !strings.ContainsFunc(word, needsQuotes) {
		return word
	}
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(word) {
		switch c := word[i]; {
		case c == '"' || c == '\\':
			out.WriteString("\\" + string(c))
		case c < ' ' || c >= 0x7f:
			out.WriteString(`\x` + strconv.FormatUint(0x100+uint64(c), 16)[1:])
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}

func needsQuotes(r rune) bool {
	return r <= ' ' || r >= 0x7f || r == '"' || r == '\'' || r == '\\'
}
