package redisq_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// denying is a Redis that does not let the agent run a command.
func denying(t *testing.T, command string) (*redistest.Server, *redisq.Tasks, *test.Hook) {
	t.Helper()
	server := redistest.Start(t, "user admin on >admin ~* &* +@all", "user m1 on >secret ~* &* +@all -"+command)
	opt := options(server.Address)
	log, hook := newLog()
	opt.Log, opt.PollingInterval = log, 20*time.Millisecond
	opt.Server.User, opt.Server.Password = "m1", "secret"
	return server, open(t, opt), hook
}

// TestDenied: a permission that is missing is named once, though tasks get through another way, and
// the log says once that it is there again.
func TestDenied(t *testing.T) {
	t.Parallel()
	for _, denied := range []string{"blmove", "lmove", "expire", "scan"} {
		t.Run(denied, func(t *testing.T) {
			t.Parallel()
			server, tasks, hook := denying(t, denied)
			run(t, tasks.Inherit)
			for n := range 4 {
				work(t, server, tasks, n)
			}
			eventually(t, "the log says what is missing", func() bool { return len(lines(hook)) == 1 })
			server.Do(t, "acl", "setuser", "m1", "+"+denied)
			eventually(t, "the log says that all is well", func() bool {
				work(t, server, tasks, 4)
				return len(lines(hook)) > 1
			})
			wantLog(t, lines(hook), "'"+denied+"'", "permits ")
		})
	}
}

// work has a task handed out and finished.
func work(t *testing.T, server *redistest.Server, tasks *redisq.Tasks, n int) {
	t.Helper()
	server.Do(t, "lpush", agent+"/tasks", fmt.Sprintf(`{"id":"%d","action":"a"}`, n))
	task, err := tasks.Next(t.Context(), 4)
	must(t, err)
	tasks.Accept(t.Context(), task)
	must(t, tasks.Finish(t.Context(), task, finished()))
}

// TestFetchDenied: without a permission that no task gets through without, the log says so, once.
func TestFetchDenied(t *testing.T) {
	t.Parallel()
	for _, denied := range []string{"lrange", "client|setname"} {
		t.Run(denied, func(t *testing.T) {
			t.Parallel()
			server, tasks, hook := denying(t, denied)
			got := nextInBackground(t.Context(), tasks)
			remote{server}.Push(t, payload)
			eventually(t, "the log says what is missing", func() bool { return len(lines(hook)) == 1 })
			server.Do(t, "acl", "setuser", "m1", "+"+denied)
			if task := <-got; task.err != nil || task.task.ID != "t" {
				t.Fatalf("got %+v", task)
			}
			wantLog(t, lines(hook), "'"+denied+"'", "permits looks at what is in progress now")
		})
	}
}

// TestSubscriptionDenied: events are heard as soon as that is permitted.
func TestSubscriptionDenied(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "user admin on >admin ~* &* +@all", "user default on nopass ~* &* +@all -psubscribe")
	l := listen(t, server.Address, 50*time.Millisecond, patient)
	eventually(t, "the log says what is missing", func() bool { return len(lines(l.log)) == 1 })
	server.Do(t, "acl", "setuser", "default", "+psubscribe")
	l.wantSubscription(t)
	eventually(t, "the log says that it is permitted", func() bool { return len(lines(l.log)) > 1 })
	wantLog(t, lines(l.log), "'psubscribe'", "permits subscribing to events now")
}
