// Package journald writes a log as the journal of systemd wants to read it.
package journald

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
)

// Formatter writes lines with the prefixes of sd-daemon(3), by which
// journald files them under their level.
type Formatter struct{}

// Format implements [logrus.Formatter]. An entry of several lines, such as a
// stack, has the prefix on each. What only looks like a prefix, such as a part of
// a name that others gave, is kept away from where prefixes are.
func (Formatter) Format(entry *logrus.Entry) ([]byte, error) {
	out := entry.Buffer
	if out == nil { // as for a formatter that is called by itself
		out = &bytes.Buffer{}
	}
	level, suffix := strconv.Itoa(syslogLevel(entry.Level)), fields(entry)
	for line := range strings.Lines(entry.Message) {
		if strings.HasPrefix(line, "<") {
			line = " " + line
		}
		for _, part := range [...]string{"<", level, ">", strings.TrimRight(line, "\n"), suffix, "\n"} {
			out.WriteString(part)
		}
	}
	return out.Bytes(), nil
}

// syslogLevel maps to the levels of syslog(3). Fatal is emergency: the agent
// cannot do its work at all.
func syslogLevel(level logrus.Level) int {
	switch level {
	case logrus.PanicLevel, logrus.FatalLevel:
		return 0
	case logrus.ErrorLevel:
		return 3
	case logrus.WarnLevel:
		return 4
	case logrus.InfoLevel:
		return 6
	case logrus.DebugLevel, logrus.TraceLevel:
	}
	return 7
}

func fields(entry *logrus.Entry) string {
	if len(entry.Data) == 0 {
		return ""
	}
	words := make([]string, 0, len(entry.Data))
	for key, value := range entry.Data {
		words = append(words, " "+key+"="+OneLine(fmt.Sprint(value)))
	}
	slices.Sort(words)
	return strings.Join(words, "")
}

// OneLine quotes a value that would break its line: some, such as the name of an
// event, are written by others.
func OneLine(value string) string {
	if strings.ContainsAny(value, "\r\n") {
		return strconv.Quote(value)
	}
	return value
}
