package journal

import (
	"slices"
	"time"

	"cluster-agent/worker"
)

// Ended lists tasks that ended in earlier lives, the last one last, and what they came to:
// as many as the logs hold, some thousand, of the last eight hours. A leader that dies may
// take the results of its last tasks with it, and the next one has the tasks still to be done.
func (j *Journal) Ended() []worker.Ended { return j.ended }

// endedTime is how long what a task came to is of use: as long as Redis keeps its result.
const endedTime = 8 * time.Hour

// briefSize bounds what is remembered of what a task printed and announced, in bytes.
const briefSize = 1 << 10

// endRecord says that a task has ended. Without a result, nothing is remembered of it.
func endRecord(key string, result *worker.Result, now time.Time) record {
	r := record{Kind: endKind, Key: key}
	if result != nil {
		r.At, r.Result = now.Unix(), brief(*result)
	}
	return r
}

// brief is what is remembered of a result.
func brief(r worker.Result) *worker.Result {
	r.Held = r.Held[:min(1, len(r.Held))] // they all say 100 %
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
// again. Who sets the clock back has them longer.
func endings(older, newer []record, now time.Time) []worker.Ended {
	var ended []worker.Ended
	decided := map[string]bool{} // by a later record
	for _, records := range [...][]record{newer, older} {
		for _, r := range slices.Backward(records) {
			if decided[r.Key] {
				continue
			}
			decided[r.Key] = true
			at := time.Unix(r.At, 0)
			if r.Kind == endKind && r.Result != nil && now.Sub(at) < endedTime {
				ended = append(ended, worker.Ended{Key: r.Key, At: at, Result: *r.Result})
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
		r := endRecord(task.Key, &task.Result, task.At)
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
