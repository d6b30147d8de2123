package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// wide is up to how many nodes each ping has a column of its own.
const wide = 8

func pingHeading(nodes []int) []string {
	if len(nodes) > wide {
		return []string{"ping"}
	}
	columns := make([]string, 0, len(nodes))
	for _, id := range nodes {
		columns = append(columns, "ping "+strconv.Itoa(id))
	}
	return columns
}

// pingCells shows what one node reaches: every time, or in sum for many.
func pingCells(pings []lab.Reach) []cell {
	if len(pings) > wide {
		return []cell{pingSummary(pings)}
	}
	cells := make([]cell, 0, len(pings))
	for _, p := range pings {
		if p.Err != nil {
			cells = append(cells, cell{text: "none", bad: true})
			continue
		}
		cells = append(cells, cell{text: milliseconds(p.RTT)})
	}
	return cells
}

func pingSummary(pings []lab.Reach) cell {
	var lost []int
	var worst time.Duration
	for _, p := range pings {
		worst = max(worst, p.RTT)
		if p.Err != nil {
			lost = append(lost, p.To)
		}
	}
	if len(lost) > 0 {
		return cell{text: "all but " + numbers(lost), bad: true}
	}
	return cell{text: fmt.Sprintf("all %d, %s at most", len(pings), milliseconds(worst))}
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func numbers(ids []int) string {
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		texts = append(texts, strconv.Itoa(id))
	}
	return strings.Join(texts, " ")
}
