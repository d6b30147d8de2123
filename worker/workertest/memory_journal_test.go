package workertest_test

import (
	"testing"

	"cluster-agent/worker"
	"cluster-agent/worker/workertest"
)

func TestMemoryJournal(t *testing.T) {
	t.Parallel()
	workertest.RunJournal(t, func(*testing.T) workertest.JournalFixture {
		journal := workertest.NewJournal()
		return workertest.JournalFixture{Journal: journal, Crash: func(_ *testing.T, power bool) worker.Journal {
			journal.Crash(power)
			return journal
		}}
	})
}
