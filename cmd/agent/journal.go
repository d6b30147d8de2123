package main

import "github.com/sirupsen/logrus"

// journalWriter logs what is written to it, a line at a time, at level emergency:
// that the agent was called wrongly is found where the rest of its log is.
type journalWriter struct{ log *logrus.Entry }

// Write implements [io.Writer].
func (w *journalWriter) Write(p []byte) (int, error) {
	w.log.Log(logrus.FatalLevel, string(p))
	return len(p), nil
}
