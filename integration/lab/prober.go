package lab

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// ProbeInterval is the time between two probes of a Prober.
const ProbeInterval = 10 * time.Millisecond

// Prober sends an echo request every 10 ms from one node to another's VPN address.
type Prober struct {
	From, To int

	echo *echo
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	sent     int
	arrivals []time.Time
}

// Silence is what a Prober saw.
type Silence struct {
	From, To       int
	Sent, Answered int
	// Longest is the longest time without an answer. A way that is always open shows the
	// probes' interval and a little. Packets that wait for a new handshake arrive late,
	// and are not counted as lost: the silence counts, which is what an application feels.
	Longest time.Duration
	Since   time.Time // when that began
}

// Probe starts probing from the node until Stop.
func (n *Node) Probe(ctx context.Context, to int, address netip.Addr) (*Prober, error) {
	e, err := n.newEcho(ctx, address)
	if err != nil {
		return nil, err
	}
	p := &Prober{From: n.ID, To: to, echo: e, arrivals: []time.Time{time.Now()}}
	sending, stop := context.WithCancel(ctx)
	p.stop = stop
	p.done.Go(func() { p.sendAll(sending) })
	p.done.Go(p.receiveAll)
	return p, nil
}

// sendAll sends by the clock. A failure to send, as without a route, is silence too.
func (p *Prober) sendAll(ctx context.Context) {
	tick := time.NewTicker(ProbeInterval)
	defer tick.Stop()
	for sequence := uint16(0); ; sequence++ {
		if p.echo.send(sequence) == nil {
			p.mu.Lock()
			p.sent++
			p.mu.Unlock()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// receiveAll notes when answers arrive, until the socket is closed.
func (p *Prober) receiveAll() {
	for {
		if p.echo.receive(time.Time{}) != nil {
			return
		}
		p.mu.Lock()
		p.arrivals = append(p.arrivals, time.Now())
		p.mu.Unlock()
	}
}

// Stop ends the probing and tells what was seen. A silence that lasts until now counts.
func (p *Prober) Stop() (Silence, error) {
	now := time.Now()
	p.stop()
	err := p.echo.conn.Close()
	p.done.Wait()
	if err != nil {
		return Silence{}, fmt.Errorf("close probe: %w", err)
	}
	s := Silence{From: p.From, To: p.To, Sent: p.sent, Answered: len(p.arrivals) - 1}
	s.Longest, s.Since = longest(p.arrivals, now)
	return s, nil
}

// longest is the longest time between two arrivals, or from the last one until the end,
// and when it began.
func longest(arrivals []time.Time, end time.Time) (gap time.Duration, since time.Time) {
	for i, at := range arrivals {
		next := end
		if i+1 < len(arrivals) {
			next = arrivals[i+1]
		}
		if silent := next.Sub(at); silent > gap {
			gap, since = silent, at
		}
	}
	return gap, since
}

// Await waits for an answer that arrives after the given time.
func (p *Prober) Await(ctx context.Context, after time.Time) error {
	return Until(ctx, ProbeInterval, func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.arrivals[len(p.arrivals)-1].After(after) && len(p.arrivals) > 1 {
			return nil
		}
		return fmt.Errorf("no answer from node %d to node %d", p.To, p.From)
	})
}
