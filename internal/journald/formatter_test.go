package journald

import (
	"bytes"
	"testing"

	"github.com/sirupsen/logrus"
)

func TestFormatter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		level  logrus.Level
		text   string
		fields logrus.Fields
		want   string
	}{
		{"emergency", logrus.FatalLevel, "cannot start", nil, "<0>cannot start\n"},
		{"panic", logrus.PanicLevel, "x", nil, "<0>x\n"},
		{"error", logrus.ErrorLevel, "x", nil, "<3>x\n"},
		{"warning", logrus.WarnLevel, "x", nil, "<4>x\n"},
		{"information", logrus.InfoLevel, "x", nil, "<6>x\n"},
		{"debug", logrus.DebugLevel, "x", nil, "<7>x\n"},
		{"trace", logrus.TraceLevel, "x", nil, "<7>x\n"},
		{"several lines", logrus.ErrorLevel, "stack:\n\n\tmain\n", nil, "<3>stack:\n<3>\n<3>\tmain\n"},
		{"what looks like a prefix", logrus.ErrorLevel, "<0>one\n<6>two", nil, "<3> <0>one\n<3> <6>two\n"},
		{"fields in order", logrus.InfoLevel, "x", logrus.Fields{"task": 1, "action": "a b"}, "<6>x action=a b task=1\n"},
		{"several lines with fields", logrus.InfoLevel, "x\ny", logrus.Fields{"n": 1}, "<6>x n=1\n<6>y n=1\n"},
		// Who gives an event its name must not write lines of the log.
		{"line in a field", logrus.InfoLevel, "x", logrus.Fields{"event": "a\n<0>b"}, "<6>x event=\"a\\n<0>b\"\n"},
	} {
		entry := &logrus.Entry{Logger: logrus.New(), Level: c.level, Message: c.text, Data: c.fields}
		for range 2 { // with a buffer of its own, and with one of the logger
			if got, err := (Formatter{}).Format(entry); err != nil || string(got) != c.want {
				t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
			}
			entry.Buffer = &bytes.Buffer{}
		}
	}
}
