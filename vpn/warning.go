package vpn

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Warning names a record that could not be used as it stands, or an address
// that is treated in a special way, and says why. It is no error: everything
// else goes on.
type Warning struct {
	Node int    // whose record; 0: the cluster as a whole
	Text string // what and why
}

// String gives `node 3: endpoint "x": missing port`.
func (w Warning) String() string {
	if w.Node == 0 {
		return w.Text
	}
	return fmt.Sprintf("node %d: %s", w.Node, w.Text)
}

func warnf(node int, format string, args ...any) Warning {
	return Warning{Node: node, Text: fmt.Sprintf(format, args...)}
}

// quotedBytes is how much of a value a warning shows: anybody may have written
// anything into a record, also a megabyte.
const quotedBytes = 100

// quote gives a value in quotes, without what a terminal would take for a
// command, and cut if it is too long to be read.
func quote(value string) string {
	if len(value) <= quotedBytes {
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%q and %d more bytes", value[:quotedBytes], len(value)-quotedBytes)
}

// sortWarnings orders warnings by node and text and drops repetitions, so that
// two runs over the same data say the same and a caller can log changes only.
func sortWarnings(warnings []Warning) []Warning {
	slices.SortFunc(warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(warnings)
}
