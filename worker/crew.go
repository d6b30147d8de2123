package worker

import (
	"context"
	"sync"
	"sync/atomic"
)

// crew handles tasks beside each other, each on a goroutine of its own. Of those that have done
// their job as many as tasks may run at once wait for the next: a stack that has grown need not
// grow again for each task.
type crew struct {
	handle  func(running context.Context, task Task)
	jobs    chan func()
	most    int64 // that wait for a job
	idle    atomic.Int64
	members sync.WaitGroup
	stop    func()
}

// hire makes a crew for the life of an agent. Results may be stored for a while after that.
func (w *Worker) hire(agent context.Context) *crew {
	storing, stop := outlive(agent, w.cfg.StopGrace)
	return &crew{
		handle: func(running context.Context, task Task) { w.handle(running, storing, task) },
		jobs:   make(chan func()), most: int64(w.cfg.MaxConcurrency), stop: stop,
	}
}

// do has a job done; it does not wait.
func (c *crew) do(job func()) {
	select {
	case c.jobs <- job:
	default:
		c.members.Go(func() { c.work(job) })
	}
}

func (c *crew) work(job func()) {
	for hired := true; hired; {
		job()
		if c.idle.Add(1) <= c.most {
			job, hired = <-c.jobs
		} else {
			hired = false
		}
		c.idle.Add(-1)
	}
}

// dismiss returns when all jobs are done.
func (c *crew) dismiss() {
	close(c.jobs)
	c.members.Wait()
	c.stop()
}
