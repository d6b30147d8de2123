package journal

import "cluster-agent/worker"

// entry is what is known of the tasks with one payload.
type entry struct {
	id      string
	action  string
	begun   int    // how often it was begun, in this life and earlier ones, and started for all but the last
	running int    // how many run in this life; equal payloads may run at once
	left    int    // how many more were begun, in this life or earlier ones, and have no result
	step    string // the last step that was started
	boot    string // of the machine, when it was begun
	result  int64  // bytes of the result that is kept; 0 if there is none
}

// past is what an entry means on a machine that was booted as boot. What was
// written of a step may have been lost with the power.
func (e *entry) past(boot string) worker.Past {
	return worker.Past{
		Begun: e.begun, Step: e.step, Kept: e.result > 0, Running: e.running > 0,
		Started: e.begun > 0 && (e.step != "" || e.boot != boot),
	}
}

func (e *entry) record(key string) record {
	return record{Kind: beginKind, Key: key, ID: e.id, Action: e.action, Begun: e.begun, Boot: e.boot, Step: e.step, Count: e.running + e.left}
}

// replay has the entries know what a record says.
func replay(entries map[string]*entry, r record) {
	switch e := entries[r.Key]; {
	case r.Kind == beginKind:
		entries[r.Key] = &entry{id: r.ID, action: r.Action, begun: r.Begun, boot: r.Boot, step: r.Step, left: max(1, r.Count)}
	case e == nil && r.Kind == stepKind && r.ID != "": // the line of its beginning was damaged
		entries[r.Key] = &entry{id: r.ID, action: r.Action, begun: 1, step: r.Step, left: 1}
	case e == nil:
	case r.Kind == stepKind:
		e.step = r.Step
	case r.Kind == endKind:
		delete(entries, r.Key)
	}
}
