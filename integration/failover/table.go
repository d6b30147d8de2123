package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// target is what a figure is to come to; 0 is no target.
type target struct{ median, worst time.Duration }

// verdict says of a target whether it was reached.
func (t target) verdict(s series) string {
	var said []string
	add := func(what string, got, wanted time.Duration) {
		if wanted == 0 || len(s) == 0 {
			return
		}
		word := "reached"
		if got >= wanted {
			word = "NOT reached"
		}
		said = append(said, fmt.Sprintf("%s < %s: %s", what, number(wanted), word))
	}
	add("median", s.median(), t.median)
	add("worst", s.worst(), t.worst)
	return strings.Join(said, ", ")
}

// number is a time in milliseconds, without the unit, which stands in the heading.
func number(d time.Duration) string {
	return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond))
}

// cells are a median and a worst; dashes of none.
func cells(s series) []string {
	if len(s) == 0 {
		return []string{"-", "-"}
	}
	return []string{number(s.median()), number(s.worst())}
}

// table prints rows, the first of which is the heading: the first column and the last one to
// the left, figures to the right.
func table(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for _, row := range rows {
		fmt.Fprintln(w, strings.TrimRight(line(row, widths), " "))
	}
	fmt.Fprintln(w)
}

func line(row []string, widths []int) string {
	var text strings.Builder
	for i, cell := range row {
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		switch {
		case i == 0:
			text.WriteString("  " + cell + space)
		case i == len(widths)-1:
			text.WriteString("  " + cell)
		default:
			text.WriteString("  " + space + cell)
		}
	}
	return text.String()
}
