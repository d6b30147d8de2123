package redisq_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// run starts something that runs until its context ends, and returns the
// function that ends it and waits.
func run(t *testing.T, do func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// waiting returns the fields of the connection with a name that is in BRPOP, as
// CLIENT LIST TYPE normal has them.
func waiting(t *testing.T, server *redistest.Server, name string) (map[string]string, bool) {
	t.Helper()
	list, err := server.Admin().Do(t.Context(), "client", "list", "type", "normal").Text()
	must(t, err)
	for line := range strings.Lines(list) {
		fields := map[string]string{}
		for word := range strings.FieldsSeq(line) {
			key, value, _ := strings.Cut(word, "=")
			fields[key] = value
		}
		if fields["name"] == name && fields["cmd"] == "brpop" {
			return fields, true
		}
	}
	return nil, false
}

// TestPresence: others find a connection with the agent's name in BRPOP, again
// after Redis was away and after a reconnection, and it ends with its context.
func TestPresence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	opt.PollingInterval = time.Hour
	presence := redisq.NewPresence(opt)
	stop := run(t, presence.Run)
	seen := func() (found bool) {
		_, found = waiting(t, server, agent)
		return found
	}
	eventually(t, "the agent is seen", seen)

	before, _ := waiting(t, server, agent)
	presence.Reconnect()
	eventually(t, "the agent is seen again after Reconnect", func() bool {
		now, found := waiting(t, server, agent)
		return found && now["id"] != before["id"]
	})
	server.Stop(t)
	server.Restart(t)
	eventually(t, "the agent is seen again after a restart", seen)

	began := time.Now()
	stop()
	if took := time.Since(began); took > time.Second {
		t.Fatalf("took %v to end", took)
	}
	eventually(t, "the agent is gone", func() bool { return !seen() })
}

// TestPresenceIsNeverIdle: whatever the polling interval, the connection is used
// within the 8 s in which others take it for alive.
func TestPresenceIsNeverIdle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	opt.PollingInterval = time.Hour
	monitor := server.Monitor(t)
	run(t, redisq.NewPresence(opt).Run)
	command := last(monitor.Until(isWord("brpop")))
	if got := strings.Join(command.Words, " "); got != "brpop module/m1/presence 5" {
		t.Fatalf("waits with %q", got)
	}
}

// TestPresenceOnReplica: BRPOP is a write, which a replica refuses; the agent
// waits without a word and is seen when the replica is promoted.
func TestPresenceOnReplica(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	follow(t, replica, master)
	opt := options(replica.Address)
	log, hook := newLog()
	opt.Log = log
	monitor := replica.Monitor(t)
	run(t, redisq.NewPresence(opt).Run)
	for range 2 {
		monitor.Until(isWord("client")) // it names a new connection after each refusal
	}
	replica.Do(t, "replicaof", "no", "one")
	eventually(t, "the agent is seen", func() bool {
		_, found := waiting(t, replica, agent)
		return found
	})
	if got := lines(hook); len(got) != 0 {
		t.Fatalf("log is %q", got)
	}
}
