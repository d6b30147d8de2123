package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
)

// journalFormatter writes lines with the prefixes of sd-daemon(3), by which
// journald files them under their level.
type journalFormatter struct{}

// Format implements [logrus.Formatter]. An entry of several lines, such as a
// stack, has the prefix on each. What only looks like a prefix, such as a part of
// a name that others gave, is kept away from where prefixes are.
func (journalFormatter) Format(entry *logrus.Entry) ([]byte, error) {
	var out bytes.Buffer
	for line := range strings.Lines(entry.Message) {
		if strings.HasPrefix(line, "<") {
			line = " " + line
		}
		fmt.Fprintf(&out, "<%d>%s%s\n", syslogLevel(entry.Level), strings.TrimRight(line, "\n"), fields(entry))
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
	words := make([]string, 0, len(entry.Data))
	for key, value := range entry.Data {
		words = append(words, " "+key+"="+oneLine(fmt.Sprint(value)))
	}
	slices.Sort(words)
	return strings.Join(words, "")
}

// oneLine quotes a value that would break its line: some, such as the name of an
// event, are written by others.
func oneLine(value string) string {
	if strings.ContainsAny(value, "\r\n") {
		return strconv.Quote(value)
	}
	return value
}

// journalWriter logs what is written to it, a line at a time, at level emergency:
// that the agent was called wrongly is found where the rest of its log is.
type journalWriter struct{ log *logrus.Entry }

// Write implements [io.Writer].
func (w *journalWriter) Write(p []byte) (int, error) {
	w.log.Log(logrus.FatalLevel, string(p))
	return len(p), nil
}
