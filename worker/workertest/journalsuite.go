package workertest

import (
	"bytes"
	"testing"

	"cluster-agent/worker"
)

// JournalFixture is a journal under test.
type JournalFixture struct {
	// Journal is that of the present life.
	Journal worker.Journal
	// Crash ends the life as a kill would, or, with power, as a failure of the
	// power after all that has to be on disk is there; it returns the next life's.
	Crash func(t *testing.T, power bool) worker.Journal
}

// RunJournal checks an implementation of the engine's journal.
func RunJournal(t *testing.T, makeFixture func(t *testing.T) JournalFixture) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, JournalFixture){
		"a task that was never begun has no past":           neverBegun,
		"a step may be started with the beginning":          begunWithStep,
		"a kill tells what was begun from what was started": killed,
		"what was begun counts as started without power":    powerFailed,
		"what is forgotten has no past":                     forgotten,
		"equal tasks are forgotten one by one":              equalTasks,
		"equal tasks that a kill ended are left each":       equalTasksKilled,
		"a result is that of one of equal tasks":            equalTasksKept,
		"each beginning counts":                             beginnings,
		"a result is kept until its task is forgotten":      keptResult,
		"what was left is listed":                           leftOver,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, makeFixture(t))
		})
	}
}

func noteTask(id string) worker.Task {
	payload := []byte(order(id))
	return worker.Task{ID: id, Action: "act", Payload: payload, Key: worker.KeyOf(payload)}
}

// begin notes a task, and a step of it unless that is empty.
func begin(t *testing.T, j worker.Journal, task worker.Task, step string) {
	t.Helper()
	if err := j.Begin(task, "")(); err != nil {
		t.Fatalf("begin: %v", err)
	}
	if step == "" {
		return
	}
	if err := j.Step(task, step); err != nil {
		t.Fatalf("step: %v", err)
	}
}

func forget(t *testing.T, j worker.Journal, task worker.Task) {
	t.Helper()
	if err := j.Forget(task, &worker.Result{}); err != nil {
		t.Fatalf("forget: %v", err)
	}
}

func wantPast(t *testing.T, j worker.Journal, task worker.Task, want worker.Past) {
	t.Helper()
	if got := j.Past(task); got != want {
		t.Fatalf("past of %s is %+v, want %+v", task.ID, got, want)
	}
}

func neverBegun(t *testing.T, f JournalFixture) {
	t.Helper()
	wantPast(t, f.Journal, noteTask("1"), worker.Past{})
	if left := f.Journal.Left(); len(left) != 0 {
		t.Fatalf("left are %+v", left)
	}
}

func killed(t *testing.T, f JournalFixture) {
	t.Helper()
	begin(t, f.Journal, noteTask("begun"), "")
	begin(t, f.Journal, noteTask("started"), "10first")
	if err := f.Journal.Step(noteTask("started"), "20second"); err != nil {
		t.Fatal(err)
	}
	next := f.Crash(t, false)
	wantPast(t, next, noteTask("begun"), worker.Past{Begun: 1})
	wantPast(t, next, noteTask("started"), worker.Past{Begun: 1, Started: true, Step: "20second"})
}

func begunWithStep(t *testing.T, f JournalFixture) {
	t.Helper()
	j := f.Journal
	for n := range 2 {
		if err := j.Begin(noteTask("1"), "10a")(); err != nil {
			t.Fatal(err)
		}
		j = f.Crash(t, false)
		wantPast(t, j, noteTask("1"), worker.Past{Begun: n + 1, Started: true, Step: "10a"})
	}
}

func powerFailed(t *testing.T, f JournalFixture) {
	t.Helper()
	begin(t, f.Journal, noteTask("1"), "")
	if past := f.Crash(t, true).Past(noteTask("1")); !past.Started || past.Begun != 1 {
		t.Fatalf("past is %+v", past)
	}
}

func forgotten(t *testing.T, f JournalFixture) {
	t.Helper()
	begin(t, f.Journal, noteTask("1"), "10a")
	forget(t, f.Journal, noteTask("1"))
	forget(t, f.Journal, noteTask("never begun"))
	wantPast(t, f.Journal, noteTask("1"), worker.Past{})
	next := f.Crash(t, false)
	wantPast(t, next, noteTask("1"), worker.Past{})
}

func equalTasks(t *testing.T, f JournalFixture) {
	t.Helper()
	begin(t, f.Journal, noteTask("1"), "10a")
	begin(t, f.Journal, noteTask("1"), "")
	wantPast(t, f.Journal, noteTask("1"), worker.Past{Begun: 1, Started: true, Step: "10a", Running: true})
	forget(t, f.Journal, noteTask("1"))
	if past := f.Crash(t, false).Past(noteTask("1")); !past.Started {
		t.Fatalf("past is %+v", past)
	}
}

// equalTasksKilled: of three that ran, one came to its end; the others are settled
// one by one, in lives that are killed, too, and a new one is a new one.
func equalTasksKilled(t *testing.T, f JournalFixture) {
	t.Helper()
	j := f.Journal
	for range 3 {
		begin(t, j, noteTask("1"), "10a")
	}
	forget(t, j, noteTask("1"))
	for _, left := range []int{2, 1} {
		j = f.Crash(t, false)
		wantPast(t, j, noteTask("1"), worker.Past{Begun: 1, Started: true, Step: "10a"})
		if got := j.Left(); len(got) != left {
			t.Fatalf("left are %+v, want %d", got, left)
		}
		forget(t, j, noteTask("1"))
	}
	wantPast(t, j, noteTask("1"), worker.Past{})
	wantPast(t, f.Crash(t, false), noteTask("1"), worker.Past{})
}

func equalTasksKept(t *testing.T, f JournalFixture) {
	t.Helper()
	for range 2 {
		begin(t, f.Journal, noteTask("1"), "10a")
	}
	if err := f.Journal.Keep(noteTask("1"), done()); err != nil {
		t.Fatal(err)
	}
	next := f.Crash(t, false)
	wantPast(t, next, noteTask("1"), worker.Past{Begun: 1, Started: true, Step: "10a", Kept: true})
	forget(t, next, noteTask("1"))
	wantPast(t, f.Crash(t, false), noteTask("1"), worker.Past{Begun: 1, Started: true, Step: "10a"})
}

func beginnings(t *testing.T, f JournalFixture) {
	t.Helper()
	j := f.Journal
	for n := range 3 {
		begin(t, j, noteTask("1"), "10a")
		j = f.Crash(t, false)
		wantPast(t, j, noteTask("1"), worker.Past{Begun: n + 1, Started: true, Step: "10a"})
	}
	begin(t, j, noteTask("1"), "")
	wantPast(t, f.Crash(t, false), noteTask("1"), worker.Past{Begun: 4})
}

func keptResult(t *testing.T, f JournalFixture) {
	t.Helper()
	task, j := noteTask("1"), f.Journal
	if err := j.Keep(task, done()); err != nil { // it is over already
		t.Fatal(err)
	}
	wantPast(t, j, task, worker.Past{})
	begin(t, j, task, "10a")
	if err := j.Keep(task, done()); err != nil {
		t.Fatal(err)
	}
	next := f.Crash(t, true)
	if past := next.Past(task); !past.Kept {
		t.Fatalf("past is %+v", past)
	}
	got, err := next.Result(task)
	if err != nil || !bytes.Equal(got.Output, done().Output) || got.Final != done().Final {
		t.Fatalf("got %+v, %v", got, err)
	}
	forget(t, next, task)
	wantPast(t, f.Crash(t, false), task, worker.Past{})
}

func leftOver(t *testing.T, f JournalFixture) {
	t.Helper()
	begin(t, f.Journal, noteTask("1"), "10a")
	if left := f.Journal.Left(); len(left) != 0 {
		t.Fatalf("runs, and is left: %+v", left)
	}
	f.Journal.Leave(noteTask("1"))
	for _, j := range []worker.Journal{f.Journal, f.Crash(t, false)} {
		left := j.Left()
		if len(left) != 1 || left[0].ID != "1" || left[0].Action != "act" || left[0].Key != noteTask("1").Key || left[0].Payload != nil {
			t.Fatalf("left are %+v", left)
		}
	}
}
