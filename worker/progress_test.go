package worker

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// does is what happens to a run, in order.
type does func(*tracker)

func begins(i int) does           { return func(t *tracker) { t.start(i) } }
func ends() does                  { return func(t *tracker) { t.done() } }
func setsProgress(n int) does     { return func(t *tracker) { ignoring(t.setProgress(n)) } }
func weighs(s string, n int) does { return func(t *tracker) { ignoring(t.setWeight(s, n)) } }

// ignoring stands for the one who logs a bad command and goes on.
func ignoring(error) {}

// TestProgress: the integer part of (sum of weights of the finished steps × 100
// + current step's progress × its weight) × 100 / (sum of all weights × 100).
func TestProgress(t *testing.T) {
	t.Parallel()
	one, two, three := Step{Name: "10one"}, Step{Name: "20two"}, Step{Name: "30three"}
	for name, c := range map[string]struct {
		steps []Step
		run   []does
		want  []int // all that is told, held reports at the end
	}{
		"three steps": {
			[]Step{one, two, three},
			[]does{begins(0), ends(), begins(1), ends(), begins(2), ends()},
			[]int{0, 33, 66, 100},
		},
		"progress and weights": {
			[]Step{one, two},
			[]does{
				begins(0), weighs("20two", 3), setsProgress(50), ends(),
				begins(1), setsProgress(33), setsProgress(101), setsProgress(66), ends(),
			},
			[]int{0, 12, 25, 49, 74, 100},
		},
		"a step weighs itself": {
			[]Step{one, two},
			[]does{begins(0), weighs("10one", 3), setsProgress(50), ends(), begins(1), ends()},
			[]int{0, 37, 75, 100},
		},
		"weights compiled in": {
			[]Step{{Name: "10one", Weight: 7}, two, {Name: "30three", Weight: 2}},
			[]does{begins(0), ends(), begins(1), ends(), begins(2), setsProgress(50), ends()},
			[]int{0, 70, 80, 90, 100},
		},
		"all weights 0": {
			[]Step{one, two},
			[]does{weighs("10one", 0), weighs("20two", 0), begins(0), setsProgress(50), ends(), begins(1), ends()},
			[]int{0, 0, 0, 0},
		},
		"a weightless step": {
			[]Step{one, two},
			[]does{begins(0), weighs("20two", 0), setsProgress(99), ends(), begins(1), ends()},
			[]int{0, 99, 100, 100},
		},
		"fails": {
			[]Step{one, two, three},
			[]does{begins(0), ends(), begins(1), setsProgress(10)},
			[]int{0, 33, 36},
		},
		"goes back": {
			[]Step{one},
			[]does{begins(0), setsProgress(80), setsProgress(20), setsProgress(0)},
			[]int{0, 80, 20, 0},
		},
		"the heaviest": {
			[]Step{one, two},
			[]does{weighs("10one", maxWeight), weighs("20two", maxWeight), begins(0), ends(), begins(1), setsProgress(50)},
			[]int{0, 50, 75},
		},
		"a bad command changes nothing": {
			[]Step{one, two},
			[]does{
				begins(0), weighs("10one", -1), weighs("nope", 5), weighs("20two", maxWeight+1),
				setsProgress(-1), setsProgress(101), setsProgress(1 << 62), setsProgress(50), ends(),
			},
			[]int{0, 25, 50},
		},
		"weight of a step that has ended": {
			[]Step{one, two},
			[]does{begins(0), ends(), begins(1), weighs("10one", 3), setsProgress(0), ends()},
			[]int{0, 50, 75, 100},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told []int
			tracker := newTracker(c.steps, func(p Progress) {
				if p.Status != Running {
					t.Errorf("told status %s", p.Status)
				}
				told = append(told, p.Percent)
			})
			for _, do := range c.run {
				do(tracker)
			}
			last, _ := tracker.close(Completed)
			for _, p := range last.held {
				told = append(told, p.Percent)
			}
			if !slices.Equal(told, c.want) {
				t.Fatalf("told %v, want %v", told, c.want)
			}
		})
	}
}

// TestHeld: what says 100 % is not told but goes out with the result, since
// clients read the result as soon as they see it; one that a step took back goes
// out before the lower one.
func TestHeld(t *testing.T) {
	t.Parallel()
	var told []Progress
	tracker := newTracker([]Step{{Name: "a"}}, func(p Progress) { told = append(told, p) })
	tracker.start(0)
	ignoring(tracker.setProgress(100))
	ignoring(tracker.setProgress(40))
	tracker.done()
	last, _ := tracker.close(Aborted)
	if want := []Progress{{Running, 0}, {Running, 100}, {Running, 40}}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if want := []Progress{{Running, 100}}; !slices.Equal(last.held, want) {
		t.Errorf("held %v, want %v", last.held, want)
	}
	if want := (Progress{Aborted, 100}); last.final != want {
		t.Errorf("final %v, want %v", last.final, want)
	}
}

// TestHeldIsBounded: a step may say 100 % without end.
func TestHeldIsBounded(t *testing.T) {
	t.Parallel()
	tracker := newTracker([]Step{{Name: "a"}}, func(Progress) {})
	tracker.start(0)
	for range 2 * maxHeld {
		ignoring(tracker.setProgress(100))
	}
	tracker.done()
	if last, _ := tracker.close(Completed); len(last.held) != maxHeld {
		t.Errorf("%d reports are held, want %d", len(last.held), maxHeld)
	}
}

// TestLastTold: a heartbeat repeats what was told, never what is held back, and
// is silent before the first step and after the end.
func TestLastTold(t *testing.T) {
	t.Parallel()
	tracker := newTracker([]Step{{Name: "a"}}, nil)
	var beats []Progress
	beat := func() { tracker.lastTold(func(p Progress) { beats = append(beats, p) }) }
	beat()
	tracker.start(0)
	beat()
	ignoring(tracker.setProgress(40))
	beat()
	ignoring(tracker.setProgress(100))
	beat()
	tracker.close(Completed)
	beat()
	if want := []Progress{{Running, 0}, {Running, 40}, {Running, 40}}; !slices.Equal(beats, want) {
		t.Fatalf("heartbeats %v, want %v", beats, want)
	}
}

// TestBadCommands: what is wrong is said, with the value.
func TestBadCommands(t *testing.T) {
	t.Parallel()
	tracker := newTracker([]Step{{Name: "a"}}, nil)
	for want, err := range map[string]error{
		"-1":   tracker.setProgress(-1),
		"101":  tracker.setProgress(101),
		"-2":   tracker.setWeight("a", -2),
		"nope": tracker.setWeight("nope", 1),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one that says %s", err, want)
		}
	}
	if err := errors.Join(tracker.setProgress(0), tracker.setProgress(100), tracker.setWeight("a", 0)); err != nil {
		t.Error(err)
	}
}

// TestValidationFailedIsOfOneStep: the word of one step does not stick to the next.
func TestValidationFailedIsOfOneStep(t *testing.T) {
	t.Parallel()
	tracker := newTracker([]Step{{Name: "a"}, {Name: "b"}}, nil)
	tracker.start(0)
	tracker.failValidation()
	if !tracker.validationFailed() {
		t.Fatal("not seen")
	}
	tracker.start(1)
	if tracker.validationFailed() {
		t.Fatal("sticks to the next step")
	}
}

// TestGivenUp: a run that was given up while its step goes on has ended: nothing of what the
// step does then is told, no other is started, and it does not end a second time.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	var told []Progress
	tracker := newTracker([]Step{{Name: "a"}, {Name: "b"}}, func(p Progress) { told = append(told, p) })
	if _, _, running := tracker.giveUp(); running {
		t.Error("was given up before a step was started")
	}
	tracker.start(0)
	ignoring(tracker.setProgress(50))
	last, step, running := tracker.giveUp()
	if want := (Progress{Aborted, 25}); !running || last.final != want || step.name != "a" || step.done {
		t.Errorf("gave up %+v at step %+v: %t", last, step, running)
	}
	ignoring(tracker.setProgress(80))
	tracker.done()
	if tracker.start(1) || !tracker.isClosed() {
		t.Error("it goes on")
	}
	if _, first := tracker.close(Completed); first {
		t.Error("it ended twice")
	}
	if _, _, running := tracker.giveUp(); running {
		t.Error("it was given up twice")
	}
	if want := []Progress{{Running, 0}, {Running, 25}}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
