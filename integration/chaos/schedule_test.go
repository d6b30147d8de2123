package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const interval = 500 * time.Millisecond

func TestScheduleRepeats(t *testing.T) {
	t.Parallel()
	for name, deck := range map[string][]card{"durable": durableDeck(interval), "emptied": emptyingDeck(interval), "rolled": rollingDeck()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, seed := range []uint64{0, 1, 4711} {
				first, again := schedule(seed, 20_000, 200, deck), schedule(seed, 20_000, 200, deck)
				if diff := cmp.Diff(first, again); diff != "" {
					t.Errorf("seed %d gives something else: %s", seed, diff)
				}
				if slices.Equal(first, schedule(seed+1, 20_000, 200, deck)) {
					t.Errorf("seeds %d and %d give the same", seed, seed+1)
				}
			}
		})
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ tasks, faults int }{{20_000, 200}, {20_000, 203}, {800, 20}, {10, 30}, {1, 1}} {
		list := schedule(7, size.tasks, size.faults, durableDeck(interval))
		if len(list) != size.faults {
			t.Errorf("%d faults instead of %d", len(list), size.faults)
		}
		for i, f := range list {
			if f.After < 0 || f.After > size.tasks || (i > 0 && f.After < list[i-1].After) {
				t.Errorf("fault %d of %v comes after %d tasks", i, size, f.After)
			}
		}
	}
}

// TestScheduleKinds: a deck is dealt to its end before it is shuffled anew, and
// a short schedule has all kinds.
func TestScheduleKinds(t *testing.T) {
	t.Parallel()
	deck := durableDeck(interval)
	cards := 0
	for _, c := range deck {
		cards += c.count
	}
	short := schedule(3, 1000, len(deck), deck)
	long := schedule(3, 20_000, 4*cards, deck)
	for _, c := range deck {
		of := func(f fault) bool { return f.Kind == c.kind }
		if !slices.ContainsFunc(short, of) {
			t.Errorf("%s is not in the short one", c.kind)
		}
		all := 0
		for _, f := range long {
			if !of(f) {
				continue
			}
			all++
			if f.Length < c.min || f.Length > c.max {
				t.Errorf("%s is not from %v to %v long", f, c.min, c.max)
			}
		}
		if all != 4*c.count {
			t.Errorf("%s is there %d times instead of %d", c.kind, all, 4*c.count)
		}
	}
}

func TestAbsence(t *testing.T) {
	t.Parallel()
	for _, f := range schedule(3, 20_000, 400, durableDeck(interval)) {
		if f.Kind == awayRedis && (f.Length < 10*time.Second || f.Length > 20*time.Second) {
			t.Errorf("Redis is away for %v", f.Length)
		}
	}
}

// TestMeaning: each kind is explained, and can be carried out.
func TestMeaning(t *testing.T) {
	t.Parallel()
	explained := map[faultKind]bool{}
	for _, line := range meaning() {
		explained[faultKind(line[0])] = true
	}
	acts := (&adversary{stage: &stage{}}).acts()
	for _, c := range slices.Concat(durableDeck(interval), emptyingDeck(interval), rollingDeck()) {
		if !explained[c.kind] || acts[c.kind] == nil {
			t.Errorf("%s is not explained, or not known", c.kind)
		}
	}
	if len(explained) != len(acts) {
		t.Errorf("%d kinds are explained, %d known", len(explained), len(acts))
	}
}
