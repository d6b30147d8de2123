package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Reach is the outcome of a [Node.Ping] through the VPN.
type Reach struct {
	From, To int
	RTT      time.Duration // since the first request; 0 when there was no answer
	Err      error
}

// PingAll pings from every member that is on to every such member's VPN address, at the same time, and
// waits for each answer up to timeout. The result is ordered by From and To.
func (c *Cluster) PingAll(ctx context.Context, timeout time.Duration) []Reach {
	on := c.On()
	all := make([]Reach, len(on)*len(on))
	var pings sync.WaitGroup
	for i := range all {
		pings.Go(func() {
			from, to := on[i/len(on)], on[i%len(on)]
			all[i] = Reach{From: from, To: to}
			all[i].RTT, all[i].Err = c.Lab.Node(from).Ping(ctx, c.VPNAddress(to).String(), timeout)
		})
	}
	pings.Wait()
	return all
}

// Unreached makes a sentence for each node that gets no answer from others, and one for
// each ping that could not be sent.
func Unreached(all []Reach) []string {
	lost := map[int][]string{}
	var found []string
	for _, r := range all {
		switch {
		case errors.Is(r.Err, os.ErrDeadlineExceeded):
			lost[r.From] = append(lost[r.From], strconv.Itoa(r.To))
		case r.Err != nil:
			found = append(found, r.Err.Error())
		}
	}
	for _, from := range slices.Sorted(maps.Keys(lost)) {
		found = append(found, fmt.Sprintf("node %d: no answer over the VPN from node %s", from, strings.Join(lost[from], ", ")))
	}
	return found
}
