package redisq

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// refusal is what Redis answers that is out of memory.
type refusal struct{}

func (refusal) Error() string { return "OOM command not allowed when used memory > 'maxmemory'." }
func (refusal) RedisError()   {}

func answer(t *testing.T, err error) []*redis.Cmd {
	t.Helper()
	command := redis.NewCmd(t.Context(), "set")
	if command.SetVal("OK"); err != nil {
		command.SetVal(nil)
		command.SetErr(err)
	}
	return []*redis.Cmd{command}
}

// A task that was refused to be shown, in the batch that finishes it, is not shown as
// pending afterwards.
func TestShownAfterItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		finished error
	}{{"finished", nil}, {"refused, too", refusal{}}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			left := &write{}
			first := &write{accepts: "key", ended: func() *write { return left }, sent: answer(t, refusal{})}
			last := &write{finishes: "key", done: make(chan error, 1), sent: answer(t, c.finished)}
			o := &outbox{moved: make(chan struct{}), interval: time.Second, patience: time.Minute}
			o.settle([]*write{first, last}, time.Now())
			want := left
			if c.finished != nil {
				want = last
			}
			if len(o.waiting) != 1 || o.waiting[0] != want || last.unseen != (c.finished != nil) {
				t.Errorf("%d writes go again; the end says all: %t", len(o.waiting), last.unseen)
			}
			select {
			case err := <-last.done:
				if c.finished != nil || err != nil {
					t.Errorf("it is said to have ended: %v", errors.Join(err, c.finished))
				}
			default:
				if c.finished == nil {
					t.Error("nobody hears that it is finished")
				}
			}
		})
	}
}
