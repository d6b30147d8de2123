package main

import (
	"fmt"
	"io"
	"sync"

	"cluster-agent/worker"
)

// progressLine shows a task's news: on a terminal as one line that changes, if
// wanted as a line each.
type progressLine struct {
	out      io.Writer
	terminal bool
	verbose  bool

	mu    sync.Mutex
	shown string
}

func newProgressLine(out io.Writer, verbose bool) *progressLine {
	return &progressLine{out: out, verbose: verbose, terminal: isTerminal(out)}
}

func (p *progressLine) update(news worker.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.verbose:
		fmt.Fprintf(p.out, "%s %d%%\n", news.Status, news.Percent)
	case p.terminal:
		p.clear()
		p.draw(fmt.Sprintf("%s %d%%", news.Status, news.Percent))
	}
}

// say prints a line of its own.
func (p *progressLine) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.shown
	p.clear()
	fmt.Fprintln(p.out, line)
	p.draw(shown)
}

// end takes the line away.
func (p *progressLine) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progressLine) draw(text string) {
	fmt.Fprint(p.out, text)
	p.shown = text
}

func (p *progressLine) clear() {
	if p.shown != "" {
		fmt.Fprint(p.out, "\r\033[K")
	}
	p.shown = ""
}
