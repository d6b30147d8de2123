package worker

import "sync"

// crew does jobs beside each other, each on a goroutine of its own. One that has done its job
// waits for the next: a stack that has grown need not grow again for each task.
type crew struct {
	jobs    chan func()
	members sync.WaitGroup
}

func newCrew() *crew { return &crew{jobs: make(chan func())} }

// do has a job done; it does not wait.
func (c *crew) do(job func()) {
	select {
	case c.jobs <- job:
	default:
		c.members.Go(func() { c.work(job) })
	}
}

func (c *crew) work(job func()) {
	job()
	for job := range c.jobs {
		job()
	}
}

// dismiss returns when all jobs are done.
func (c *crew) dismiss() {
	close(c.jobs)
	c.members.Wait()
}
