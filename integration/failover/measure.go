package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

// report is all that was measured.
type report struct {
	Nodes  int
	Again  string    // the flags that repeat it
	Load   [2]string // load averages of the machine, before and after
	Took   time.Duration
	Alive  alive
	Dead   dead
	Wanted config `json:"-"`
}

// measure does all that was asked for. The report has what was measured until an error.
func measure(ctx context.Context, c config, say func(string, ...any)) (r report, err error) {
	began := time.Now()
	r = report{Nodes: c.nodes, Again: c.again(), Wanted: c}
	r.Load[0] = load()
	st, err := newStage(ctx, c, say)
	if err != nil {
		return r, err
	}
	if c.promotions > 0 {
		r.Alive, err = st.promoteAll(ctx)
	}
	if c.dead > 0 && err == nil {
		r.Dead, err = st.killAll(ctx)
	}
	r.Load[1], r.Took = load(), time.Since(began)
	if ctx.Err() != nil {
		return r, err // what is left goes with the namespaces
	}
	if err != nil {
		err = errors.Join(err, lastWords(st.cluster))
	}
	return r, errors.Join(err, st.lab().Close())
}

// good tells whether nothing was lost or doubled, of all that was to be measured.
func (r report) good() bool {
	return r.Alive.Judged == (r.Wanted.promotions > 0) && r.Dead.Judged == (r.Wanted.dead > 0) &&
		r.Alive.Traffic.good() && r.Dead.Traffic.good()
}

// save writes the report for other programs; times are in nanoseconds.
func (r report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("save the report: %w", err)
	}
	return nil
}

// load is the machine's load average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// lastWords is the end of each node agent's log, without its tasks, for whoever has to find
// out what went wrong.
func lastWords(c *lab.Cluster) error {
	const lines = 12
	errs := make([]error, 0, len(c.Lab.Nodes))
	for _, n := range c.Lab.Nodes {
		text, err := n.Service(lab.NodeAgent).Log()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all := slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(line string) bool {
			return strings.HasPrefix(line, "<6>task/")
		})
		all = all[max(0, len(all)-lines):]
		errs = append(errs, fmt.Errorf("node %d: the log of its node agent ends with\n    %s", n.ID, strings.Join(all, "\n    ")))
	}
	return errors.Join(errs...)
}
