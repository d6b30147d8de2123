package main

import (
	"slices"
	"time"
)

// losses are acknowledged writes that are not there at the end.
type losses struct {
	// Excused are those of which no replica can have had anything: the last ones before
	// their leader was killed.
	Excused int
	// Aside are those that a killed leader took when it was back and did not know yet that
	// another leads. It keeps a copy of them.
	Aside int
	Lost  int // all others
}

func (l losses) plus(other losses) losses {
	return losses{l.Excused + other.Excused, l.Aside + other.Aside, l.Lost + other.Lost}
}

// judgeList looks for the values of one client, all different, in a list that it alone has
// pushed to. A value that is there twice was written twice.
func judgeList(acks []ack, list []int64, kills []kill) (lost losses, doubled int) {
	there := make(map[int64]int, len(list))
	for _, value := range list {
		there[value]++
	}
	for _, n := range there {
		if n > 1 {
			doubled++
		}
	}
	return judgeMissing(acks, func(a ack) bool { return there[a.value] == 0 }, kills), doubled
}

// judgeMissing divides what is missing. What a replication stream lost in a kill is its end:
// whoever misses a write misses all later ones up to the kill.
func judgeMissing(acks []ack, missing func(ack) bool, kills []kill) losses {
	var found losses
	for i := 0; i < len(acks); i++ {
		first := i
		for i < len(acks) && missing(acks[i]) {
			i++
		}
		if first == i {
			continue
		}
		next := time.Time{}
		if i < len(acks) {
			next = acks[i].at
		}
		found = found.plus(blame(i-first, kills, acks[i-1], next))
	}
	return found
}

// blame says what it comes to that some writes are missing, of which one client's last was
// acknowledged before its next one.
func blame(missing int, kills []kill, before ack, next time.Time) losses {
	switch {
	case died(kills, before, next):
		return losses{Excused: missing}
	case wasBack(kills, before):
		return losses{Aside: missing}
	}
	return losses{Lost: missing}
}

// wasBack tells whether a leader that had been killed took a write before it was home.
func wasBack(kills []kill, taken ack) bool {
	return slices.ContainsFunc(kills, func(k kill) bool {
		return k.node == taken.leader && taken.at.After(k.ended) && taken.at.Before(k.home)
	})
}

// died tells whether the leader that acknowledged a write was killed before the client's next
// one; that, zero, may not have come. The last words of a dead leader may still be on their
// way for as long as a client waits for an answer.
func died(kills []kill, before ack, next time.Time) bool {
	for _, k := range kills {
		heard := !before.at.After(k.ended.Add(answerTime))
		if k.node == before.leader && heard && (next.IsZero() || !next.Before(k.began)) {
			return true
		}
	}
	return false
}

// judgeCounter looks at what a counter, that one client alone has raised, came to: the
// answers in order, and what it holds. It has to rise; each step back is a loss.
func judgeCounter(acks []ack, final int64, kills []kill) losses {
	var found losses
	for i, a := range acks {
		next := ack{value: final + 1}
		if i+1 < len(acks) {
			next = acks[i+1]
		}
		back := int(a.value - next.value + 1)
		if back > 0 {
			found = found.plus(blame(back, kills, a, next.at))
		}
	}
	return found
}
