package worker

import (
	"fmt"
	"sync"
)

// maxHeld bounds the memory of a step that says 100 % again and again.
const maxHeld = 1000

// maxWeight keeps the sum of all weights, times 100, far from an overflow.
const maxWeight = 1 << 31

// tracker is the sole owner of a run's status and progress. It tells every
// change in the order in which it happened.
type tracker struct {
	mu      sync.Mutex
	tell    func(Progress) // nil: nobody wants to know
	steps   []trackedStep
	current int // index of the running step
	percent int // of the running step
	status  Status
	told    Progress   // what was told last
	held    []Progress // reports of 100 %, which go out with the result
	invalid bool       // the running step has said validation-failed
	outbox  []Announcement
}

type trackedStep struct {
	name   string
	weight int
	done   bool
}

func newTracker(steps []Step, tell func(Progress)) *tracker {
	t := &tracker{tell: tell, status: Pending, steps: make([]trackedStep, len(steps))}
	for i, step := range steps {
		t.steps[i] = trackedStep{name: step.Name, weight: max(step.Weight, 0)}
		if step.Weight == 0 {
			t.steps[i].weight = 1
		}
	}
	return t
}

// start says that step i runs now; false if it must not, since the run has ended without it.
// The first one turns the status to running.
func (t *tracker) start(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isOver() {
		return false
	}
	t.current, t.percent, t.invalid = i, 0, false
	if t.status == Pending {
		t.status = Running
		t.report()
	}
	return true
}

// done says that the running step ended well, or was skipped.
func (t *tracker) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps[t.current].done = true
	t.percent = 0
	t.report()
}

func (t *tracker) setProgress(percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("set progress to %d: must be between 0 and 100", percent)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.percent = percent
	t.report()
	return nil
}

func (t *tracker) setWeight(step string, weight int) error {
	if weight < 0 || weight > maxWeight {
		return fmt.Errorf("set weight of step %s to %d: must be between 0 and %d", step, weight, maxWeight)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.steps {
		if t.steps[i].name == step {
			t.steps[i].weight = weight
			return nil
		}
	}
	return fmt.Errorf("set weight of step %s: the action has no such step", step)
}

func (t *tracker) failValidation() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.invalid = true
}

func (t *tracker) announce(a Announcement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outbox = append(t.outbox, a)
}

func (t *tracker) validationFailed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.invalid
}

// lastTold calls use with what was told last, while nothing new can be told.
func (t *tracker) lastTold(use func(Progress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status == Running {
		use(t.told)
	}
}

// closing is what a run has left to tell at its end.
type closing struct {
	final  Progress
	held   []Progress
	outbox []Announcement
}

// close ends the run with its final status; nothing is told after it. false: it has ended before.
func (t *tracker) close(status Status) (last closing, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isOver() {
		return closing{}, false
	}
	return t.end(status), true
}

// giveUp ends a run as aborted although its step goes on; false if none was started, or
// the run has ended. step is the last one, of which may be known that it has ended.
func (t *tracker) giveUp() (last closing, step trackedStep, running bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status != Running {
		return closing{}, trackedStep{}, false
	}
	return t.end(Aborted), t.steps[t.current], true
}

func (t *tracker) end(status Status) closing {
	t.status = status
	return closing{Progress{Status: status, Percent: t.share()}, t.held, t.outbox}
}

// isClosed tells whether nothing is told any more.
func (t *tracker) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.isOver()
}

func (t *tracker) isOver() bool { return t.status != Pending && t.status != Running }

func (t *tracker) report() {
	if t.isOver() {
		return // a step that was given up does not know
	}
	now := Progress{Status: t.status, Percent: t.share()}
	if now.Percent >= 100 {
		if len(t.held) < maxHeld {
			t.held = append(t.held, now)
		}
		return
	}
	// Something lower follows: what was held back was not the end.
	for _, p := range append(t.held, now) {
		t.told = p
		if t.tell != nil {
			t.tell(p)
		}
	}
	t.held = nil
}

// share is the protocol's formula: the weights of the finished steps plus the
// share of the running one, in percent of all weights.
func (t *tracker) share() int {
	total, finished := 0, 0
	for i, step := range t.steps {
		total += step.weight
		switch {
		case step.done:
			finished += step.weight * 100
		case i == t.current:
			finished += step.weight * t.percent
		}
	}
	if total == 0 {
		return 0
	}
	return finished / total
}
