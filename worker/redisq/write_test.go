package redisq

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestFailedCommand: a command that fails inside of a transaction that is carried out is an error, too, unless
// it was to take the task out of what is no list.
func TestFailedCommand(t *testing.T) {
	t.Parallel()
	for failing, want := range map[string]error{"set": wrongTypeError{}, "lrem": nil, "": nil} {
		w := &write{}
		var replies []any
		for _, name := range []string{"set", "lrem", "publish"} {
			w.sent = append(w.sent, redis.NewCmd(t.Context(), name))
			if name == failing {
				replies = append(replies, wrongTypeError{})
			} else {
				replies = append(replies, "OK")
			}
		}
		exec := redis.NewCmd(t.Context(), "exec")
		exec.SetVal(replies)
		w.sent = append(w.sent, exec)
		if err := w.outcome(); err != want { //nolint:errorlint // the very one
			t.Errorf("%q fails: the outcome is %v, want %v", failing, err, want)
		}
	}
}

// wrongTypeError is what Redis answers that has another kind of value there.
type wrongTypeError struct{}

func (wrongTypeError) Error() string {
	return "WRONGTYPE Operation against a key holding the wrong kind of value"
}
func (wrongTypeError) RedisError() {}
