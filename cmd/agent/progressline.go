package main

import (
	"fmt"
	"io"

	"cluster-agent/worker"
)

// progressLine shows a task's news: on a terminal as one line that changes, if
// wanted as a line each.
type progressLine struct {
	out      io.Writer
	terminal bool
	verbose  bool
	shown    bool
}

func newProgressLine(out io.Writer, verbose bool) *progressLine {
	return &progressLine{out: out, verbose: verbose, terminal: isTerminal(out)}
}

func (p *progressLine) update(news worker.Progress) {
	switch {
	case p.verbose:
		fmt.Fprintf(p.out, "%s %d%%\n", news.Status, news.Percent)
	case p.terminal:
		fmt.Fprintf(p.out, "\r\033[K%s %d%%", news.Status, news.Percent)
		p.shown = true
	}
}

// end takes the line away.
func (p *progressLine) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\033[K")
	}
}
