package node

import (
	"context"
	"time"
)

// firstPause is how long the first try of a question may take before another is begun
// beside it. Each pause is twice as long as the one before.
const firstPause = 40 * time.Millisecond

// first asks a question, and again beside that as long as there is no answer, and returns
// the first answer, or error, before ctx ends. In the midst of a switch a packet gets lost
// easily, which TCP finds out much later.
func first[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer)
	begun := 0
	begin := func() {
		begun++
		go func() {
			value, err := ask(ctx)
			answers <- answer{value, err}
		}()
	}
	begin()
	pause := firstPause
	next := time.NewTimer(pause)
	defer next.Stop()
	var got answer
	for waiting := true; waiting; {
		select {
		case got = <-answers:
			begun--
			waiting = false
		case <-next.C:
			begin()
			pause *= 2
			next.Reset(pause)
		}
	}
	cancel()
	for range begun {
		<-answers
	}
	return got.value, got.err
}
