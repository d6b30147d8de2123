package journald

import "github.com/sirupsen/logrus"

// Writer logs what is written to it, a line at a time, at level emergency:
// that the agent was called wrongly is found where the rest of its log is.
type Writer struct{ Log *logrus.Entry }

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) {
	w.Log.Log(logrus.FatalLevel, string(p))
	return len(p), nil
}
