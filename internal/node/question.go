package node

import (
	"context"
	"sync"
	"time"
)

// question is asked over the network by a run of Settle, which does not wait for the answer:
// nothing else can change this machine's leader or VPN during a run, and the day on which
// others do not answer is that on which an administrator is in a hurry. The answer is for
// the next runs, of which one is called for when it has come.
type question[T any] struct {
	mu      sync.Mutex
	running bool
	answer  T
	at      time.Time // of the answer; zero: there is none
}

const (
	// askAgain is the age of an answer at which the question is asked again.
	askAgain = time.Second
	// answerLife is the age up to which it counts.
	answerLife = 5 * time.Second
)

// put asks, if that is due, and returns the last answer. Without a keeper there is no next
// run, and the answer is waited for.
func (q *question[T]) put(ctx context.Context, m *Machine, within time.Duration, ask func(context.Context) T) (answer T, heard bool) {
	if m.turned == nil {
		limited, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return ask(limited), true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	age := time.Since(q.at)
	if !q.running && age >= askAgain {
		q.running = true
		asking := context.WithoutCancel(ctx)
		m.asking.Go(func() {
			limited, cancel := context.WithTimeout(asking, within)
			defer cancel()
			q.take(ask(limited))
			m.turned()
		})
	}
	if age >= answerLife {
		return answer, false
	}
	return q.answer, true
}

func (q *question[T]) take(answer T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answer, q.at, q.running = answer, time.Now(), false
}
