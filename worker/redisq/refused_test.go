package redisq

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"cluster-agent/worker/redisq/redistest"
)

// TestRefusedLogin: what was handed in while Redis did not let the agent in is written when it does,
// each once, whether somebody waits for it or not.
func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "user admin on >admin ~* &* +@all", "user default off")
	log := logrus.New()
	log.SetOutput(io.Discard)
	link := &link{server: Server{Address: server.Address, User: "m1", Password: "secret"}, size: outboxConnections}
	o := newOutbox(link, newHealth("Redis", logrus.NewEntry(log)), time.Second)
	defer o.end()
	count := func(key string) *write {
		return &write{commands: func(ctx context.Context) []*redis.Cmd { return []*redis.Cmd{command(ctx, "incr", key)} }}
	}
	o.post(count("posted"))
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if err := o.deliver(ctx, count("given up")); err == nil {
		t.Error("a write that Redis has not seen counts as done")
	}
	server.Do(t, "acl", "setuser", "m1", "on", ">secret", "~*", "&*", "+@all")
	ctx, stop = context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := o.deliver(ctx, count("delivered")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"posted": "1", "given up": "", "delivered": "1"} {
		if got := server.Admin().Get(t.Context(), key).Val(); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
