package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Escape sequences of a terminal.
const (
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

// stepWidth is the column in which durations stand.
const stepWidth = 62

// printer writes for a person. Errors of writing are ignored: nobody is left to tell.
type printer struct {
	to     io.Writer
	colour bool
}

func (p *printer) line(text string) { fmt.Fprintln(p.to, text) }

func (p *printer) paint(colour, text string) string {
	if !p.colour {
		return text
	}
	return colour + text + plain
}

// step does one thing and prints one line: what, while it lasts, and then how long.
func (p *printer) step(what string, do func() error) error {
	fmt.Fprintf(p.to, "  %-*s ", stepWidth, what)
	began := time.Now()
	err := do()
	outcome := p.paint(green, "ok")
	if err != nil {
		outcome = p.paint(red, "failed")
	}
	fmt.Fprintf(p.to, "%6.2f s  %s\n", time.Since(began).Seconds(), outcome)
	return err
}

// failure prints what went wrong, one point a line.
func (p *printer) failure(err error) {
	p.line("\n" + p.paint(red, "Not right:"))
	for line := range strings.SplitSeq(err.Error(), "\n") {
		p.line("  " + line)
	}
}

// cell is a field of a table; a bad one is red.
type cell struct {
	text string
	bad  bool
}

// table prints rows under a heading, each column as wide as its widest cell.
func (p *printer) table(heading []string, rows [][]cell) {
	widths := make([]int, len(heading))
	for i, h := range heading {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	titles := make([]cell, 0, len(heading))
	for _, h := range heading {
		titles = append(titles, cell{text: h})
	}
	p.row(titles, widths)
	for _, row := range rows {
		p.row(row, widths)
	}
}

func (p *printer) row(row []cell, widths []int) {
	var line strings.Builder
	line.WriteString("  ")
	for i, c := range row {
		text := c.text
		if c.bad {
			text = p.paint(red, text)
		}
		line.WriteString(text)
		if i+1 < len(row) {
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
		}
	}
	p.line(line.String())
}
