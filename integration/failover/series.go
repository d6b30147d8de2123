package main

import (
	"slices"
	"time"
)

// series is one figure, measured again and again.
type series []time.Duration

// median is the one in the middle, of an even number the mean of the two; 0 of none.
func (s series) median() time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// worst is the longest; 0 of none.
func (s series) worst() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return slices.Max(s)
}

// seriesOf takes one figure out of each of many findings.
func seriesOf[T any](all []T, figure func(T) time.Duration) series {
	s := make(series, 0, len(all))
	for _, one := range all {
		s = append(s, figure(one))
	}
	return s
}

// longestPause is the longest time between two of some moments, which are in order, as far as
// it lies between from and to: what was the last before, and the first after, counts.
func longestPause(moments []time.Time, from, to time.Time) time.Duration {
	longest, last := time.Duration(0), from
	for _, at := range moments {
		switch {
		case at.Before(from):
		case at.After(to):
			return max(longest, to.Sub(last))
		default:
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return max(longest, to.Sub(last))
}
