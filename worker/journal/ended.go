package journal

import (
	"slices"

	"cluster-agent/worker"
)

// Ended lists tasks that ended in earlier lives, the last one last, and what they came to:
// as many as the logs hold, some thousand. A leader that dies may take the results of its
// last tasks with it, and the next one has the tasks still to be done.
func (j *Journal) Ended() []worker.Ended { return j.ended }

// briefSize bounds what is remembered of what a task printed and announced, in bytes.
const briefSize = 1 << 10

// brief is what is remembered of a result.
func brief(r worker.Result) *worker.Result {
	size := len(r.Output) + len(r.Error)
	for _, a := range r.Announcements {
		size += len(a.Channel) + len(a.Payload)
	}
	if size > briefSize {
		r.Output, r.Announcements = nil, nil
		r.Error = []byte("output and error text were lost by Redis, and are not remembered\n")
	}
	return &r
}

// endings are the tasks that have ended, by the records of two logs, and were not begun
// again.
func endings(older, newer []record) []worker.Ended {
	var ended []worker.Ended
	decided := map[string]bool{} // by a later record
	for _, records := range [...][]record{newer, older} {
		for _, r := range slices.Backward(records) {
			if r.Kind == stepKind || decided[r.Key] {
				continue
			}
			decided[r.Key] = true
			if r.Kind == endKind && r.Result != nil {
				ended = append(ended, worker.Ended{Key: r.Key, Result: *r.Result})
			}
		}
	}
	slices.Reverse(ended)
	return ended
}

// carried are records of the last of them, for a new log, up to a size in bytes.
func (j *Journal) carried(size int) ([]record, error) {
	var records []record
	var line []byte
	for _, task := range slices.Backward(j.ended) {
		r := record{Kind: endKind, Key: task.Key, Result: &task.Result}
		var err error
		if line, err = r.encode(line[:0], 0); err != nil {
			return nil, err
		}
		if size -= len(line); size < 0 {
			break
		}
		records = append(records, r)
	}
	slices.Reverse(records)
	return records, nil
}
