package journal

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker"
)

// What tasks came to is known in later lives, though they are over, until they begin again.
func TestEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	results := []worker.Result{
		{Final: worker.Progress{Status: worker.Completed, Percent: 100}},
		{Output: []byte("\x00out"), Error: []byte("err\n"), ExitCode: 7, Final: worker.Progress{Status: "aborted", Percent: 50}, Builtin: true},
		{Final: worker.Progress{Status: worker.Completed, Percent: 100}, Held: []worker.Progress{{Status: worker.Running, Percent: 100}}},
		{Final: worker.Progress{Status: "\"odd\"", Percent: -1}, Held: []worker.Progress{{Status: "\"held\"", Percent: 1}}},
		{Announcements: []worker.Announcement{{Channel: "c", Payload: []byte("p")}}, Held: []worker.Progress{{Status: "running", Percent: 100}}},
		{Output: make([]byte, briefSize+1), ExitCode: 3},
	}
	end := func(j *Journal, n int) {
		t.Helper()
		must(t, j.Begin(task(n), "10a")())
		must(t, j.Forget(task(n), &results[n]))
	}
	j := life(t, dir)
	for n := range results {
		end(j, n)
	}
	j.kill(t)
	for range 3 { // each life writes a log of its own
		j = life(t, dir)
		ended := j.Ended()
		if len(ended) != len(results) || len(j.Left()) != 0 {
			t.Fatalf("%d of %d tasks are known to have ended", len(ended), len(results))
		}
		for n, e := range ended[:5] {
			if e.Key != task(n).Key || !reflect.DeepEqual(e.Result, results[n]) {
				t.Errorf("task %d came to %+v", n, e.Result)
			}
		}
		if long := ended[5].Result; long.ExitCode != 3 || len(long.Output) > 0 || !strings.Contains(string(long.Error), "not remembered") {
			t.Errorf("the long one came to %+v", long)
		}
		j.kill(t)
	}
	j = life(t, dir)
	must(t, j.Begin(task(0), "10a")())
	end(j, 1)
	j.kill(t)
	j = life(t, dir)
	if ended := j.Ended(); len(ended) != 5 || ended[0].Key != task(2).Key || ended[4].Key != task(1).Key {
		t.Errorf("known are %+v", ended)
	}
	must(t, j.Close())
}

// What is so old that Redis has forgotten it, too, is nobody's any more.
func TestEndedLongAgo(t *testing.T) {
	t.Parallel()
	now := time.Now()
	records := []record{
		endRecord("old", &worker.Result{}, now.Add(-endedTime)),
		endRecord("new", &worker.Result{}, now.Add(time.Second-endedTime)),
		endRecord("another's", nil, now),
	}
	if ended := endings(nil, records, now); len(ended) != 1 || ended[0].Key != "new" {
		t.Errorf("known are %+v", ended)
	}
}

// The logs hold the last ones; what is carried from life to life is a part of a log.
func TestEndedIsBounded(t *testing.T) {
	t.Parallel()
	const tasks = 200
	o := usual()
	o.logSize = 8 << 10
	dir := t.TempDir()
	j, warning, err := open(dir, o)
	must(t, err)
	must(t, warning)
	for n := range tasks {
		must(t, j.Begin(task(n), "10a")())
		must(t, j.Forget(task(n), &worker.Result{}))
	}
	j.kill(t)
	before := tasks
	for range 2 {
		j, warning, err = open(dir, o)
		must(t, err)
		must(t, warning)
		ended := j.Ended()
		if len(ended) < 5 || len(ended) >= before {
			t.Fatalf("%d tasks are known to have ended", len(ended))
		}
		for i, e := range ended { // the last ones, without a gap where a log was full
			if want := task(tasks - len(ended) + i); e.Key != want.Key {
				t.Fatalf("of %d tasks, number %d is not that of the order", len(ended), i)
			}
		}
		before = len(ended)
		j.kill(t)
	}
}
