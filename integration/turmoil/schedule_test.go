package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testMost = 12 * time.Second

func testSilences() []time.Duration { return []time.Duration{0, leastSilence} }

func TestDrawRepeats(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{0, 1, 4711} {
		first, again := draw(seed, 5, testSilences(), testMost), draw(seed, 5, testSilences(), testMost)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("seed %d gives something else: %s", seed, diff)
		}
		if cmp.Equal(first.Faults, draw(seed+1, 5, testSilences(), testMost).Faults) {
			t.Errorf("seeds %d and %d give the same", seed, seed+1)
		}
	}
}

// Over many seeds there is everything, and nothing that cannot be carried out.
func TestDraw(t *testing.T) {
	t.Parallel()
	kinds, promotions, silences := map[faultKind]int{}, map[int]int{}, map[time.Duration]int{}
	const nodes, most = 4, 3 * time.Second
	taken := 0
	for seed := range uint64(400) {
		p := draw(seed, nodes, testSilences(), most)
		promotions[len(p.Promotions)]++
		silences[p.Silence]++
		if p.Takeover > 0 {
			taken++
		}
		for _, m := range p.Promotions {
			if m.On == m.Node || m.On >= nodes || m.Node > second {
				t.Errorf("seed %d: %+v", seed, m)
			}
		}
		for _, f := range p.Faults {
			kinds[f.Kind]++
			if f.Who >= nodes || f.Kind == part && (f.Other == f.Who || f.Other >= nodes) || f.Length > most {
				t.Errorf("seed %d: %+v", seed, f)
			}
		}
	}
	for _, c := range deck() {
		if kinds[c.kind] == 0 {
			t.Errorf("there is no %s", c.kind)
		}
	}
	if len(meaning()) != len(deck()) || len(kinds) != len(deck()) {
		t.Errorf("%d kinds are drawn, %d are explained, %d are in the deck", len(kinds), len(meaning()), len(deck()))
	}
	if taken == 0 || taken == 400 {
		t.Errorf("%d schedules have a takeover", taken)
	}
	if promotions[1] == 0 || promotions[2] == 0 || silences[0] == 0 || silences[leastSilence] == 0 {
		t.Errorf("promotions: %v, silences: %v", promotions, silences)
	}
}

func TestCast(t *testing.T) {
	t.Parallel()
	prepared, members := []int{1, 2, 3, 4}, []int{1, 2, 3, 4, 5}
	for turn, want := range [][]int{{3, 1, 2, 4, 5}, {3, 2, 4, 1, 5}, {3, 4, 1, 2, 5}, {3, 1, 2, 4, 5}} {
		if got := (plan{Turn: turn}).cast(3, prepared, members); !slices.Equal(got, want) {
			t.Errorf("turn %d: %v, want %v", turn, got, want)
		}
	}
}

// Two faults of the same part of a node come one after the other, others beside them.
func TestLanes(t *testing.T) {
	t.Parallel()
	faults := []fault{
		{Kind: killRedis},
		{Kind: stopRedis},
		{Kind: stopRedis, Who: 1},
		{Kind: stopAgent},
		{Kind: stopClusterAgent},
		{Kind: off},
		{Kind: cut},
		{Kind: cut},
	}
	sizes := make([]int, 0, len(faults))
	for _, lane := range lanes(faults) {
		sizes = append(sizes, len(lane))
	}
	slices.Sort(sizes)
	if want := []int{1, 1, 1, 1, 2, 2}; !slices.Equal(sizes, want) {
		t.Errorf("lanes of %v faults, want %v", sizes, want)
	}
}
