package workertest

import (
	"maps"
	"sync"

	"cluster-agent/worker"
)

// Journal remembers tasks as long as the test lasts. It is a [worker.Journal]
// for tests of what stands above; [Journal.Crash] ends a life.
type Journal struct {
	mu      sync.Mutex
	tasks   map[string]*noted
	running map[string]int
	left    map[string]int // that ran in earlier lives, or were left
}

// noted is what is known of the tasks with one key.
type noted struct {
	task   worker.Task
	past   worker.Past
	result worker.Result
	onDisk bool // its beginning is
}

var _ worker.Journal = (*Journal)(nil)

// NewJournal returns an empty one.
func NewJournal() *Journal {
	return &Journal{tasks: map[string]*noted{}, running: map[string]int{}, left: map[string]int{}}
}

// Crash ends a life of the agent: nothing runs any more. A failure of the power
// loses which steps were started, and the beginnings that nobody waited for.
func (j *Journal) Crash(power bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, n := range j.running {
		j.left[key] += n
	}
	clear(j.running)
	if !power {
		return
	}
	maps.DeleteFunc(j.tasks, func(_ string, n *noted) bool { return !n.onDisk })
	maps.DeleteFunc(j.left, func(key string, _ int) bool { return j.tasks[key] == nil })
	for _, n := range j.tasks {
		n.past.Started, n.past.Step = true, ""
	}
}

// Past implements [worker.Journal].
func (j *Journal) Past(task worker.Task) worker.Past {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.tasks[task.Key]
	if n == nil {
		return worker.Past{}
	}
	past := n.past
	past.Running = j.running[task.Key] > 0
	return past
}

// Left implements [worker.Journal].
func (j *Journal) Left() []worker.Task {
	j.mu.Lock()
	defer j.mu.Unlock()
	var left []worker.Task
	for key, n := range j.tasks {
		for range j.left[key] {
			if j.running[key] == 0 {
				left = append(left, n.task)
			}
		}
	}
	return left
}

// Begin implements [worker.Journal].
func (j *Journal) Begin(task worker.Task, step string) func() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.tasks[task.Key]
	if n == nil {
		n = &noted{task: worker.Task{ID: task.ID, Action: task.Action, Key: task.Key}}
		j.tasks[task.Key] = n
	}
	j.left[task.Key] = max(0, j.left[task.Key]-1)
	if j.running[task.Key]++; j.running[task.Key] == 1 {
		begun := n.past.Begun
		if begun == 0 || n.past.Started {
			begun++
		}
		n.past = worker.Past{Begun: begun, Started: step != "", Step: step, Kept: n.past.Kept}
	}
	return func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		n.onDisk = true
		return nil
	}
}

// Step implements [worker.Journal].
func (j *Journal) Step(task worker.Task, step string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.tasks[task.Key]; n != nil {
		n.past.Started, n.past.Step = true, step
	}
	return nil
}

// Keep implements [worker.Journal].
func (j *Journal) Keep(task worker.Task, result worker.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.tasks[task.Key]; n != nil {
		n.past.Kept, n.result = true, result
	}
	return nil
}

// Result implements [worker.Journal].
func (j *Journal) Result(task worker.Task) (worker.Result, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tasks[task.Key].result, nil
}

// Leave implements [worker.Journal].
func (j *Journal) Leave(task worker.Task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running[task.Key] > 0 {
		j.running[task.Key]--
		j.left[task.Key]++
	}
}

// Forget implements [worker.Journal].
func (j *Journal) Forget(task worker.Task, _ *worker.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.tasks[task.Key]
	if n == nil {
		return nil
	}
	n.past.Kept = false
	if j.running[task.Key] > 0 {
		j.running[task.Key]--
	} else {
		j.left[task.Key]--
	}
	if j.running[task.Key]+j.left[task.Key] == 0 {
		delete(j.tasks, task.Key)
		delete(j.running, task.Key)
		delete(j.left, task.Key)
	}
	return nil
}
