package host

import (
	"errors"
	"strings"
)

// blanks are what is cut off the ends of names, values and lines.
const blanks = " \t\r\n\v\f"

// quoteEnv writes a value so that systemd and this package read it back. Plain
// values stay plain, since scripts read these files line by line.
func quoteEnv(value string) string {
	if !strings.ContainsAny(value, blanks+"\"'\\`$") {
		return value
	}
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(value) {
		if strings.IndexByte("\"\\`$", value[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(value[i])
	}
	out.WriteByte('"')
	return out.String()
}

// unquoteEnv reads a value: parts in single quotes are literal, in double quotes
// a backslash escapes `"\$ and stays otherwise, elsewhere it takes the meaning
// of any character.
func unquoteEnv(raw string) (string, error) {
	var out strings.Builder
	quote := byte(0)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(raw):
			i++
			if quote == '"' && strings.IndexByte("\"\\`$", raw[i]) < 0 {
				out.WriteByte('\\')
			}
			out.WriteByte(raw[i])
		default:
			out.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", errors.New("quote is not closed")
	}
	return out.String(), nil
}
