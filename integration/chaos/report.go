package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report writes the table of a run, and all that is known of what went wrong.
func report(w io.Writer, title string, o outcome) error {
	acked, waited := 0, 0
	for _, t := range o.history.Tasks {
		acked += one(t.Acked)
		waited += one(t.Waited)
	}
	total := 0
	for _, n := range o.faults {
		total += n
	}
	v := o.verdict
	fmt.Fprintf(w, "%s\n", title)
	for _, line := range []struct {
		name  string
		value int
		more  string
	}{
		{"tasks", acked, fmt.Sprintf("and %d whose push was not acknowledged", len(o.history.Tasks)-acked)},
		{"faults", total, faultsByKind(o.faults)},
		{"lost", len(v.Lost), byWhy(v.Lost)},
		{"doubled", len(v.Doubled), byWhy(v.Doubled)},
		{"unanswered", len(v.Unanswered), fmt.Sprintf("of %d clients that waited", waited)},
		{"wrong result", len(v.Wrong), byWhy(v.Wrong)},
		{"left in progress", len(v.Left), ""},
		{"keys without TTL", len(v.Eternal), ""},
		{"other trouble", len(v.Trouble), ""},
	} {
		fmt.Fprintf(w, "  %-17s %6d  %s\n", line.name, line.value, line.more)
	}
	fmt.Fprintf(w, "  %-17s %6s\n\n", "took", o.took.Round(time.Second))
	ends(w, o.history)
	return details(w, o)
}

// total is the line that says it all; false if not everything is good, or not as
// many runs were played as were to be.
func total(w io.Writer, outcomes []outcome, runs int) bool {
	tasks, faults, lost, doubled, unanswered, good := 0, 0, 0, 0, 0, len(outcomes) == runs
	for _, o := range outcomes {
		for _, t := range o.history.Tasks {
			tasks += one(t.Acked)
		}
		for _, n := range o.faults {
			faults += n
		}
		lost, doubled, unanswered = lost+len(o.verdict.Lost), doubled+len(o.verdict.Doubled), unanswered+len(o.verdict.Unanswered)
		good = good && o.verdict.good()
	}
	word := "FAILED"
	if good {
		word = "good"
	}
	fmt.Fprintf(w, "%s: %d tasks, %d faults, %d lost, %d doubled, %d unanswered\n", word, tasks, faults, lost, doubled, unanswered)
	return good
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// faultsByKind is one line: each kind with its number.
func faultsByKind(faults map[faultKind]int) string {
	words := make([]string, 0, len(faults))
	for _, kind := range slices.Sorted(maps.Keys(faults)) {
		words = append(words, fmt.Sprintf("%s %d", kind, faults[kind]))
	}
	return strings.Join(words, ", ")
}

// byWhy counts findings by what was found, the most frequent first.
func byWhy(findings []finding) string {
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.Why]++
	}
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	words := make([]string, 0, len(reasons))
	for _, why := range reasons[:min(len(reasons), mostReasons)] {
		words = append(words, fmt.Sprintf("%d × %s", counts[why], why))
	}
	return strings.Join(words, " | ")
}

// mostReasons is how many of them the table has room for.
const mostReasons = 4

// ends tells for each kind of task how many ended with which exit code, and what
// else is no fault, but may be more than it has to be.
func ends(w io.Writer, h history) {
	codes := map[string]map[string]int{}
	idle, again, arrived, gone := 0, 0, 0, 0
	for _, t := range h.Tasks {
		c := newCase(h, t, kindsByName()[t.Kind])
		for _, n := range c.runs {
			again += one(n > 1)
		}
		if codes[t.Kind] == nil {
			codes[t.Kind] = map[string]int{}
		}
		switch {
		case c.result.complete():
			codes[t.Kind][strconv.Itoa(c.result.Code)] += one(c.Acked)
			idle += one(c.kind.most > 0 && c.result.Code == exitInterrupted && len(c.runs) == 0)
		case c.Acked:
			codes[t.Kind]["none"]++
			arrived += one(len(c.finals) > 0)
			gone += one(len(c.finals)+len(c.runs) == 0)
		}
	}
	fmt.Fprintf(w, "  exit codes of the tasks that were acknowledged, by kind:\n")
	for _, kind := range slices.Sorted(maps.Keys(codes)) {
		words := make([]string, 0, len(codes[kind]))
		for _, code := range slices.Sorted(maps.Keys(codes[kind])) {
			words = append(words, fmt.Sprintf("%s: %d", code, codes[kind][code]))
		}
		fmt.Fprintf(w, "    %-19s %s\n", kind, strings.Join(words, "   "))
	}
	fmt.Fprintf(w, "  interrupted (12) although no step had begun: %d; steps that ran again: %d\n", idle, again)
	if h.Losses > 0 {
		fmt.Fprintf(w, "  of those without keys, which Redis forgot: %d had arrived before, %d had not begun\n", arrived, gone)
	}
	fmt.Fprintln(w)
}

// mostShown is of how many findings all is told; of the others only the first line.
const mostShown = 20

// details tells what is wrong, if something is.
func details(w io.Writer, o outcome) error {
	v := o.verdict
	for _, line := range v.Trouble {
		fmt.Fprintf(w, "TROUBLE: %s\n", line)
	}
	for _, payload := range v.Left {
		fmt.Fprintf(w, "LEFT: %s\n", payload)
	}
	for _, key := range v.Eternal {
		fmt.Fprintf(w, "WITHOUT TTL: %s\n", key)
	}
	findings := v.findings()
	shown := findings[:min(len(findings), mostShown)]
	said, err := logLines(o.log, shown)
	for _, f := range shown {
		whole(w, o.history, f, said[f.ID])
	}
	for _, f := range findings[len(shown):] {
		fmt.Fprintf(w, "%s %s\n", f.ID, f.Why)
	}
	return err
}

// whole is all that is known of a task.
func whole(w io.Writer, h history, f finding, said []string) {
	at := slices.IndexFunc(h.Tasks, func(t task) bool { return t.ID == f.ID })
	c := newCase(h, h.Tasks[at], kindsByName()[h.Tasks[at].Kind])
	fmt.Fprintf(w, "%s %s\n", f.ID, f.Why)
	fmt.Fprintf(w, "    kind:     %s; acknowledged: %v; client waits: %v, answered: %v; losses of Redis since: %d, of the push, perhaps: %d\n", c.Kind, c.Acked, c.Waited, c.Answered, c.losses, c.Exposed)
	if c.result.complete() {
		fmt.Fprintf(w, "    keys:     exit_code %d, output %d bytes, error %q\n", c.result.Code, c.result.Size, c.result.Error)
	} else {
		fmt.Fprintf(w, "    keys:     without %s\n", strings.Join(c.result.Missing, ", "))
	}
	fmt.Fprintf(w, "    runs:     %v (by step)\n    statuses: %s\n", c.runs, strings.Join(c.finals, ", "))
	for _, line := range said {
		fmt.Fprintf(w, "    log:      %s\n", line)
	}
}

// logLines finds what the agent's log says of tasks, and in which life.
func logLines(path string, findings []finding) (map[string][]string, error) {
	said := map[string][]string{}
	if len(findings) == 0 {
		return said, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the agent's log: %w", err)
	}
	defer func() { err = file.Close() }()
	life := ""
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "=== ") {
			life = line
			continue
		}
		for _, f := range findings {
			if strings.Contains(line, f.ID) {
				said[f.ID] = append(said[f.ID], fmt.Sprintf("%s   [%s]", line, strings.TrimPrefix(life, "=== ")))
			}
		}
	}
	return said, lines.Err()
}
