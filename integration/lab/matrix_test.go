package lab

import (
	"errors"
	"slices"
	"testing"
)

func TestUnreached(t *testing.T) {
	t.Parallel()
	lost := errors.New("no answer")
	got := Unreached([]Reach{
		{From: 3, To: 1, Err: lost},
		{From: 1, To: 1},
		{From: 1, To: 3, Err: lost},
		{From: 3, To: 2, Err: lost},
	})
	want := []string{
		"node 1: no answer over the VPN from node 3",
		"node 3: no answer over the VPN from node 1, 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
