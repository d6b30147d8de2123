package redisq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// nodeRules are those of a node agent, as section 1 of the protocol has them.
const nodeRules = "resetkeys ~node/1/* ~task/node/1/* %R~cluster/* %R~node/* %R~module/* %R~private/agents/* %R~private/nodes/* " +
	"resetchannels &progress/node/1/* &node/1/event/* " +
	"nocommands +@read +@write +@transaction +@connection +publish -@admin +psync +replconf"

// publicRules are those of the default user, who may only read and subscribe.
const publicRules = "on nopass resetkeys ~cluster/* ~node/* ~module/* resetchannels &* nocommands +@read +@connection +subscribe +psubscribe -@admin"

// TestACL: the whole life of a node agent fits into its rules, from the tasks
// an earlier life left to those it gives back, with its events and its presence.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t,
		"user admin on >admin ~* &* +@all", "user node/1 on >secret "+nodeRules, "user default "+publicRules)
	log, hook := newLog()
	opt := redisq.Options{
		Agent: "node/1", Instance: instance, Server: redisq.Server{Address: server.Address, User: "node/1", Password: "secret", Name: "node/1"},
		PollingInterval: time.Second, Log: log,
		Environment: func() (map[string]string, error) { return map[string]string{"NODE_ID": "1"}, nil },
	}
	subscribed := make(chan struct{}, 1)
	events := redisq.NewEvents(
		redisq.Server{Address: server.Address, User: "default", Password: "node/1", Name: "node/1"}, 50*time.Millisecond,
		func() { subscribed <- struct{}{} }, log)
	run(t, events.Run)
	<-subscribed
	run(t, redisq.NewPresence(opt).Run)

	server.Do(t, "lpush", "node/1/tasks/in-progress/one", `{"id":"old","action":"a"}`, "rubbish")
	server.Do(t, "hset", "node/1/tasks/in-progress/two", "no", "list")
	server.Do(t, "lpush", "node/1/tasks", "no task", `{"id":"new","action":"a"}`, `{"id":"ahead","action":"a"}`)
	tasks := open(t, opt)
	run(t, tasks.Inherit)
	wholeLife(t, tasks)
	server.Do(t, "lpush", "node/1/tasks/in-progress/one", `{"id":"stray","action":"a"}`)
	must(t, tasks.Return(t.Context()))

	if n := server.Admin().LLen(t.Context(), "node/1/tasks").Val(); n != 1 {
		t.Errorf("%d tasks wait, want the one that was given back", n)
	}
	event, err := events.Next(t.Context())
	must(t, err)
	if event.Channel() != "node/1/event/changed" {
		t.Errorf("got event %s", event.Channel())
	}
	eventually(t, "the agent is seen", func() bool {
		_, found := waiting(t, server, "node/1")
		return found
	})
	wantNoDenials(t, server)
	wantLog(t, lines(hook), "is no list")
}

func wholeLife(t *testing.T, tasks *redisq.Tasks) {
	t.Helper()
	ctx := t.Context()
	result := finished()
	result.Announcements = []worker.Announcement{{Channel: "node/1/event/changed", Payload: []byte("1")}}
	_, err := tasks.Known(ctx)
	must(t, err)
	old, err := tasks.Next(ctx, 1)
	must(t, err)
	must(t, tasks.Finish(ctx, old, result))
	must(t, tasks.Finish(ctx, worker.Task{ID: "lost"}, result))
	var undecodable *worker.DecodeError
	for range 2 {
		if _, err = tasks.Next(ctx, 1); !errors.As(err, &undecodable) {
			t.Fatalf("got %v", err)
		}
	}
	ahead, found, err := tasks.Ahead(ctx, func(task worker.Task) bool { return task.ID == "ahead" })
	if err != nil || !found {
		t.Fatalf("nothing found ahead: %v", err)
	}
	must(t, tasks.Finish(ctx, ahead, result))
	task, err := tasks.Next(ctx, 1)
	must(t, err)
	tasks.Accept(ctx, task)
	tasks.Report(ctx, task, worker.Progress{Status: worker.Running})
	tasks.Heartbeat(ctx, task, worker.Progress{Status: worker.Running})
	must(t, tasks.Finish(ctx, task, result))
	ended, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := tasks.Next(ended, 1); err == nil {
		t.Fatal("a task out of nothing")
	}
}

func wantNoDenials(t *testing.T, server *redistest.Server) {
	t.Helper()
	denied, err := server.Admin().Do(t.Context(), "acl", "log").Slice()
	must(t, err)
	if len(denied) != 0 {
		t.Fatalf("the rules forbid something: %v", denied)
	}
}

// TestForeignChannel: the rules are really those that are in force.
func TestForeignChannel(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "user admin on >admin ~* &* +@all", "user node/1 on >secret "+nodeRules)
	client := redisq.Connect(redisq.Server{Address: server.Address, User: "node/1", Password: "secret"}, 1)
	defer func() { must(t, client.Close()) }()
	if err := client.Publish(t.Context(), "cluster/event/x", "1").Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Fatalf("error is %v", err)
	}
}
