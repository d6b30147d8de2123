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
	handle func(running context.Context, task Task, over func())
	jobs   chan func()
	most   int64 // that wait for a job
	idle   atomic.Int64
	open   sync.WaitGroup // jobs that are not over
	stop   func()
}

// hire makes a crew for the life of an agent. Steps are waited for a while after that, and
// results may be stored for a while longer.
func (w *Worker) hire(agent context.Context) *crew {
	patient, giveUp := outlive(agent, w.cfg.StepGrace)
	storing, stop := outlive(agent, w.cfg.StopGrace)
	return &crew{
		handle: func(running context.Context, task Task, over func()) { w.handle(running, patient, storing, task, over) },
		jobs:   make(chan func()), most: int64(w.cfg.MaxConcurrency), stop: func() { giveUp(); stop() },
	}
}

// do has a job done; it does not wait. The job is over when it says so, and when it returns
// at the latest; then after is called.
func (c *crew) do(job func(over func()), after func()) {
	c.open.Add(1)
	over := sync.OnceFunc(func() { after(); c.open.Done() })
	work := func() {
		defer over()
		job(over)
	}
	select {
	case c.jobs <- work:
	default:
		go c.work(work)
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

// dismiss returns when all jobs are over.
func (c *crew) dismiss() {
	close(c.jobs)
	c.open.Wait()
	c.stop()
}
