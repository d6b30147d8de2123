package redisq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// outbox takes what an agent has to write, and has it sent in the order in
// which it was handed in, on one connection.
type outbox struct {
	link     kept
	health   *health
	interval time.Duration // polling interval of the agent
	patience time.Duration // how long a replica is asked to write

	mu      sync.Mutex
	waiting []*write
	news    int           // how many reports there are, waiting or under way
	moved   chan struct{} // closed and replaced whenever a batch is done
	movedAt time.Time     // when Redis answered last

	wake   chan struct{} // something was handed in
	soon   *time.Timer   // wakes for what nobody waits for and nothing else has taken along
	timed  bool          // soon is running
	close  context.CancelFunc
	closed <-chan struct{}
	sender sync.WaitGroup
}

const (
	// maxNews bounds the memory of reports that Redis is slow to take.
	maxNews = 1024
	// rideDelay is how long a write that nobody waits for may wait for something to
	// travel with. All of a task that is over at once needs one round trip.
	rideDelay = time.Millisecond
	// stallTime is how long a step that reports progress is held up by a Redis
	// that does not answer; then old reports give way to new ones.
	stallTime = time.Second
)

var errClosed = errors.New("the agent's connections are closed")

// newOutbox begins to send what will be handed in; end ends it.
func newOutbox(link *link, health *health, interval time.Duration) *outbox {
	o := &outbox{
		link: kept{link: link}, health: health, interval: interval, patience: contextBeats * interval,
		moved: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	o.soon = time.AfterFunc(time.Hour, o.wakeUp)
	o.soon.Stop()
	life, end := context.WithCancel(context.Background())
	o.close, o.closed = end, life.Done()
	o.sender.Go(func() { o.send(life) })
	return o
}

// end gives up what has not been sent.
func (o *outbox) end() {
	o.close()
	o.link.drop(nil) // go-redis does not interrupt what waits for a reply
	o.sender.Wait()
	o.soon.Stop()
}

// deliver hands in a write and waits until Redis has taken it or ctx ends.
func (o *outbox) deliver(ctx context.Context, w *write) error {
	if ctx.Err() != nil {
		return fmt.Errorf("not sent: %w", context.Cause(ctx))
	}
	w.done = make(chan error, 1)
	o.add(w)
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	case <-o.closed:
	}
	return o.abandon(ctx, w)
}

// post hands in a write that nobody waits for, and that is not lost.
func (o *outbox) post(w *write) { o.add(w) }

// abandon tells why a write has not been taken, unless it has been meanwhile.
func (o *outbox) abandon(ctx context.Context, w *write) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.gaveUp = true
	select {
	case err := <-w.done:
		return err
	default:
	}
	switch {
	case w.failure != nil:
		return w.failure
	case ctx.Err() != nil:
		return fmt.Errorf("no answer of Redis: %w", context.Cause(ctx))
	default:
		return errClosed
	}
}

// tell hands in news, for which nobody waits. When there is more than Redis
// takes, it waits for room; when Redis takes nothing, the oldest give way.
func (o *outbox) tell(ctx context.Context, w *write) {
	w.news = true
	for {
		moved, full, untilStalled := o.pressure()
		if !full {
			break
		}
		if untilStalled <= 0 {
			o.dropOldest()
			break
		}
		if waitFor(ctx, moved, untilStalled); ctx.Err() != nil {
			return
		}
	}
	o.add(w)
}

func (o *outbox) pressure() (moved <-chan struct{}, full bool, untilStalled time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.moved, o.news >= maxNews, time.Until(o.movedAt.Add(stallTime))
}

// dropOldest forgets the oldest news that is not under way.
func (o *outbox) dropOldest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	oldest := slices.IndexFunc(o.waiting, func(w *write) bool { return w.news })
	if oldest >= 0 {
		o.waiting = slices.Delete(o.waiting, oldest, oldest+1)
		o.news--
	}
}

func (o *outbox) add(w *write) {
	w.since = time.Now()
	o.mu.Lock()
	if len(o.waiting) == 0 && o.news == 0 {
		o.movedAt = w.since
	}
	o.supersede(w)
	o.waiting = append(o.waiting, w)
	if w.news {
		o.news++
	}
	urgent := w.done != nil
	if !urgent && !o.timed {
		o.timed = true
		o.soon.Reset(rideDelay)
	}
	o.mu.Unlock()
	if urgent {
		o.wakeUp()
	}
}

// supersede has the write that finishes a task say all, if the one that shows it
// for the first time was refused: it must not come later. The caller holds the lock.
func (o *outbox) supersede(last *write) {
	if last.finishes == "" {
		return
	}
	for _, w := range o.waiting {
		if w.accepts == last.finishes && w.failure != nil {
			w.gaveUp, last.unseen = true, true
		}
	}
}

// isSuperseded tells whether the task that a write shows is about to be
// finished, and lets that write know. The caller holds the lock.
func (o *outbox) isSuperseded(first *write, batch []*write) bool {
	last := cmp.Or(finishing(first, batch), finishing(first, o.waiting))
	if last != nil {
		last.unseen = true
	}
	return last != nil
}

// wakeUp has the sender look at what waits.
func (o *outbox) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// waitFor waits for something to happen, for some time at most.
func waitFor(ctx context.Context, event <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-event:
	case <-timer.C:
	case <-ctx.Done():
	}
}
