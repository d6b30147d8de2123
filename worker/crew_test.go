package worker

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Those that have done their job do the next ones; of more than are ever needed, the others go.
func TestCrew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &crew{jobs: make(chan func()), most: 3, stop: func() {}}
		var done atomic.Int64
		for range 3 { // the second and third time, three of them are there already
			release := make(chan struct{})
			for range 10 {
				c.do(func(func()) { <-release }, func() { done.Add(1) })
			}
			synctest.Wait()
			if idle := c.idle.Load(); idle != 0 {
				t.Errorf("%d wait for a job while there are jobs", idle)
			}
			close(release)
			synctest.Wait()
			if idle := c.idle.Load(); idle != c.most {
				t.Errorf("%d wait for a job, want %d", idle, c.most)
			}
		}
		c.dismiss()
		if done.Load() != 30 {
			t.Errorf("%d of 30 jobs are done", done.Load())
		}
	})
}

// A job may be over before it returns: nobody waits for it then, and it is over once.
func TestCrewGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &crew{jobs: make(chan func()), most: 3, stop: func() {}}
		release, ended := make(chan struct{}), 0
		c.do(func(over func()) { over(); <-release }, func() { ended++ })
		c.dismiss()
		close(release)
		synctest.Wait()
		if ended != 1 {
			t.Errorf("it was over %d times", ended)
		}
	})
}
