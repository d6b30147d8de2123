package setup

import "cluster-agent/internal/host"

// Report says what became of each thing, in the order it was first met.
type Report struct {
	entries []entry
}

type entry struct {
	what    string
	outcome host.Outcome
}

// Lines returns a line for each thing: `created PATH`, `changed PATH` or
// `kept PATH`; things of Redis are named "Redis user NAME" and the like.
func (r *Report) Lines() []string {
	lines := make([]string, 0, len(r.entries))
	for _, e := range r.entries {
		lines = append(lines, string(e.outcome)+" "+e.what)
	}
	return lines
}

// note records an outcome. A thing looked at twice is reported once: what was
// done to it first stays, unless that was nothing.
func (r *Report) note(outcome host.Outcome, what string) {
	for i := range r.entries {
		if r.entries[i].what != what {
			continue
		}
		if !r.entries[i].outcome.Changed() {
			r.entries[i].outcome = outcome
		}
		return
	}
	r.entries = append(r.entries, entry{what, outcome})
}
