package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

func TestUnreached(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
	got := Unreached([]Reach{
		{From: 3, To: 1, Err: lost},
		{From: 1, To: 1},
		{From: 1, To: 3, Err: lost},
		{From: 3, To: 2, Err: lost},
		{From: 2, To: 1, Err: errors.New("node 2: ping node 1: network is unreachable")},
	})
	want := []string{
		"node 2: ping node 1: network is unreachable",
		"node 1: no answer over the VPN from node 3",
		"node 3: no answer over the VPN from node 1, 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
