package worker

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

// maxLine is how much of a line without an end is kept back.
const maxLine = 32 << 10

// lines passes on what a step prints, whole lines at a time: steps that run at
// once, and the log, share one stderr and must not cut each other's lines in two.
type lines struct {
	mu   sync.Mutex
	to   *journal
	rest []byte // begin of a line
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole, rest := p, []byte(nil)
	if end := bytes.LastIndexByte(p, '\n') + 1; end > 0 {
		whole, rest = p[:end], p[end:]
	} else if len(l.rest)+len(p) <= maxLine {
		l.rest = append(l.rest, p...)
		return len(p), nil
	}
	l.pass(whole)
	l.rest = append(l.rest, rest...)
	return len(p), nil
}

// flush passes on a last line that was not ended.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.pass(nil)
	}
}

func (l *lines) pass(more []byte) {
	text := slices.Concat(l.rest, more)
	if text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	l.rest = l.rest[:0]
	l.to.add(text)
}

// journal is the agent's stderr, which all steps share. What it gets is a copy:
// a disk that is full under the log must not fail a step, or leave it with nobody
// who reads what it prints.
type journal struct {
	mu  sync.Mutex
	w   io.Writer
	err error // of the last write; where it could be told is what does not work
}

func (j *journal) add(text []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, j.err = j.w.Write(text)
}
