package redisq_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

const payload = `{"id":"t","action":"a"}`

func theTask() worker.Task {
	return worker.Task{ID: "t", Action: "a", Payload: []byte(payload), Key: worker.KeyOf([]byte(payload))}
}

// finished is a result in all its parts.
func finished() worker.Result {
	return worker.Result{
		Output: []byte("out"), Error: []byte("err"), ExitCode: 3,
		Held:          []worker.Progress{{Status: worker.Running, Percent: 100}},
		Final:         worker.Progress{Status: worker.Aborted, Percent: 100},
		Announcements: []worker.Announcement{{Channel: "module/m1/event/changed", Payload: []byte(`{"n":1}`)}},
	}
}

func isWord(word string) func(redistest.Command) bool {
	return func(c redistest.Command) bool { return strings.EqualFold(c.Words[0], word) }
}

// commands leaves out what connections begin with.
func commands(seen []redistest.Command) [][]string {
	var all [][]string
	for _, command := range seen {
		if !slices.Contains([]string{"hello", "client", "auth", "info"}, strings.ToLower(command.Words[0])) {
			all = append(all, command.Words)
		}
	}
	return all
}

func wantCommands(t *testing.T, seen []redistest.Command, want [][]string) {
	t.Helper()
	if diff := cmp.Diff(want, commands(seen)); diff != "" {
		t.Fatalf("commands (-want +got):\n%s", diff)
	}
}

const (
	record = "task/module/m1/t/"
	news   = "progress/module/m1/task/t"
)

// TestTransaction: everything a result consists of is one transaction, in the
// order of the protocol, and the reports held back come right before it.
func TestTransaction(t *testing.T) {
	t.Parallel()
	environment := func() (map[string]string, error) { return map[string]string{"B": "two words", "A": "1"}, nil }
	empty := func() (map[string]string, error) { return nil, nil }
	held := []string{"publish", news, `{"status":"running","progress":100}`}
	set := func(part, text string) []string { return []string{"set", record + part, text, "ex", "28800"} }
	end := [][]string{
		set("output", "out"), set("error", "err"), set("exit_code", "3"),
		{"expire", record + "context", "28800"},
		{"publish", "module/m1/event/changed", `{"n":1}`},
		{"lrem", inProgress, "1", payload},
		{"publish", news, `{"status":"aborted","progress":100}`},
		{"exec"},
	}
	for name, c := range map[string]struct {
		environment func() (map[string]string, error)
		builtin     bool
		want        [][]string
	}{
		"with variables": {environment: environment, want: slices.Concat([][]string{
			held, {"multi"}, {"del", "module/m1/environment"}, {"hset", "module/m1/environment", "A", "1", "B", "two words"},
		}, end)},
		"an empty environment": {environment: empty, want: slices.Concat([][]string{
			held, {"multi"}, {"del", "module/m1/environment"},
		}, end)},
		"no environment": {want: slices.Concat([][]string{
			held, {"multi"}, {"del", "module/m1/environment"},
		}, end)},
		"an action of the engine": {environment: environment, builtin: true, want: slices.Concat([][]string{
			held, {"multi"},
		}, end[:3], end[4:])},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			opt := options(server.Address)
			opt.Environment = c.environment
			tasks, result := open(t, opt), finished()
			result.Builtin = c.builtin
			monitor := server.Monitor(t)
			must(t, tasks.Finish(t.Context(), theTask(), result))
			wantCommands(t, monitor.Until(isWord("exec")), c.want)
		})
	}
}

// TestOneWrite: a client that reads as soon as it sees 100 % finds the result,
// for the report travels with the transaction: on one connection, nothing between.
func TestOneWrite(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	monitor := server.Monitor(t)
	tasks.Accept(t.Context(), theTask())
	monitor.Until(isWord("publish"))
	must(t, tasks.Finish(t.Context(), theTask(), finished()))
	seen := monitor.Until(isWord("exec"))
	if words := commands(seen); words[0][0] != "publish" || words[1][0] != "multi" {
		t.Fatalf("commands are %v", words)
	}
	for _, command := range seen {
		if command.Client != seen[0].Client {
			t.Fatalf("%v came on another connection", command.Words)
		}
	}
}

// TestLargeResult: it is there, and final, when anybody is told of 100 %, which Redis
// could pass on while it still reads the rest.
func TestLargeResult(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks, result := open(t, options(server.Address)), finished()
	result.Output = bytes.Repeat([]byte("x"), 1<<20)
	monitor := server.Monitor(t)
	must(t, tasks.Finish(t.Context(), theTask(), result))
	seen := commands(monitor.Until(isWord("exec")))
	words := make([]string, 0, len(seen))
	for _, command := range seen {
		words = append(words, command[0])
	}
	want := "multi del set set set expire publish publish lrem publish exec"
	if got := strings.Join(words, " "); got != want {
		t.Fatalf("commands are %s, want %s", got, want)
	}
}

func TestAcceptAndHeartbeat(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	opt.PollingInterval = 5 * time.Second
	tasks := open(t, opt)
	monitor := server.Monitor(t)
	ctx, task := t.Context(), theTask()
	tasks.Accept(ctx, task)
	tasks.Report(ctx, task, worker.Progress{Status: worker.Running, Percent: 5})
	tasks.Heartbeat(ctx, task, worker.Progress{Status: worker.Running, Percent: 5})
	expired := monitor.Until(isWord("expire"))
	seen := slices.Concat(expired, monitor.Until(isWord("publish")))
	wantCommands(t, seen, [][]string{
		{"set", record + "context", `{"action":"a","id":"t"}`, "ex", "60"},
		{"publish", news, `{"status":"pending","progress":0}`},
		{"publish", news, `{"status":"running","progress":5}`},
		{"expire", record + "context", "60"},
		{"publish", news, `{"status":"running","progress":5}`},
	})
}

// TestNoKeyWithoutTTL: nothing of a task stays for ever.
func TestNoKeyWithoutTTL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	ctx := t.Context()
	watch := remote{server}.Watch(t)
	tasks.Accept(ctx, theTask())
	watch()
	if left := server.Admin().PTTL(ctx, record+"context").Val(); left <= 0 || left > 12*time.Second {
		t.Fatalf("the context lives for %v, want 12 polling intervals of 1s", left)
	}
	must(t, tasks.Finish(ctx, theTask(), finished()))
	for _, part := range []string{"context", "output", "error", "exit_code"} {
		if left := server.Admin().TTL(ctx, record+part).Val(); left < 8*time.Hour-time.Minute || left > 8*time.Hour {
			t.Errorf("%s lives for %v, want 8h", part, left)
		}
	}
}

// TestUnreadableEnvironment: it costs a line in the log, not the result.
func TestUnreadableEnvironment(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	log, hook := newLog()
	opt.Log = log
	opt.Environment = func() (map[string]string, error) { return nil, errors.New("disk on fire") }
	server.Do(t, "hset", "module/m1/environment", "MIRRORED", "before")
	must(t, open(t, opt).Finish(t.Context(), theTask(), finished()))
	if got := lines(hook); len(got) != 1 || !strings.Contains(got[0], "disk on fire") {
		t.Fatalf("log is %q", got)
	}
	if code := server.Admin().Get(t.Context(), record+"exit_code").Val(); code != "3" {
		t.Fatalf("exit code is %q", code)
	}
	if mirrored := server.Admin().HGet(t.Context(), "module/m1/environment", "MIRRORED").Val(); mirrored != "before" {
		t.Fatalf("the mirror says %q", mirrored)
	}
}

// TestHeartbeatAfterAnOutage: a Redis that comes back empty gets the context again.
func TestHeartbeatAfterAnOutage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, payload)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	tasks.Accept(t.Context(), task)
	eventually(t, "the context is there", func() bool { return server.Admin().Exists(t.Context(), record+"context").Val() == 1 })
	server.Do(t, "flushall")
	tasks.Reconnect()
	go func() { _, _ = tasks.Next(t.Context(), 1) }() // over a connection of its own
	eventually(t, "the context is there again", func() bool {
		tasks.Heartbeat(t.Context(), task, running(0))
		return server.Admin().Get(t.Context(), record+"context").Val() == `{"action":"a","id":"t"}`
	})
	if left := server.Admin().PTTL(t.Context(), record+"context").Val(); left <= 0 || left > 12*time.Second {
		t.Fatalf("it lives for %v", left)
	}
}

// TestOutOfMemory: a transaction that Redis refuses (EXECABORT) is tried again
// until it is taken, nothing of it is seen before, and the log has two lines.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	log, hook := newLog()
	opt.Log = log
	tasks := open(t, opt)
	server.Do(t, "lpush", inProgress, payload)
	server.Do(t, "config", "set", "maxmemory", "1")
	monitor := server.Monitor(t)
	tasks.Accept(t.Context(), theTask())
	monitor.Until(isWord("publish")) // which goes through, while SET is refused
	stored := make(chan error, 1)
	go func() { stored <- tasks.Finish(t.Context(), theTask(), finished()) }()
	monitor.Until(isWord("multi"))
	for _, command := range monitor.Until(isWord("multi")) {
		if isWord("publish")(command) { // that all is done, without a result
			t.Errorf("told again: %q", command)
		}
	}
	if n := server.Admin().Exists(t.Context(), record+"output", record+"exit_code").Val(); n != 0 {
		t.Fatalf("%d keys of a transaction that was refused", n)
	}
	watch := remote{server}.Watch(t)
	server.Do(t, "config", "set", "maxmemory", "0")
	must(t, <-stored)
	for watch().Channel != "module/m1/event/changed" {
	}
	if got := watch(); got.Channel != news || !strings.Contains(got.Payload, "aborted") {
		t.Fatalf("after the announcement came %+v", got)
	}
	if n := server.Admin().LLen(t.Context(), inProgress).Val(); n != 0 {
		t.Fatal("the task is still in progress")
	}
	eventually(t, "the log says that all is well", func() bool { return len(lines(hook)) > 1 })
	wantOutage(t, lines(hook), "OOM")
}

// wantOutage wants a log to have one line when Redis went and one when it came.
func wantOutage(t *testing.T, log []string, why string) {
	t.Helper()
	if len(log) != 2 || !strings.Contains(log[0], why) || !strings.Contains(log[0], "waiting") || !strings.Contains(log[1], "available again") {
		t.Fatalf("log is %q, want one line with %q and one when it is back", log, why)
	}
}

func TestMessageIsCompact(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	watch := remote{server}.Watch(t)
	tasks := open(t, redisq.Options{
		Agent: agent, Instance: instance, Server: redisq.Server{Address: server.Address}, PollingInterval: time.Second, Log: options("").Log,
	})
	tasks.Report(t.Context(), theTask(), worker.Progress{Status: worker.ValidationFailed, Percent: 7})
	if got := watch().Payload; got != `{"status":"validation-failed","progress":7}` || !json.Valid([]byte(got)) {
		t.Fatalf("message is %s", got)
	}
}

// TestUnseen: a task that could not be shown before it ended is not shown
// afterwards, but as what it came to.
func TestUnseen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	monitor := server.Monitor(t)
	server.Do(t, "config", "set", "maxmemory", "1")
	tasks.Accept(t.Context(), theTask())
	monitor.Until(isWord("publish")) // which goes through, while SET is refused
	stored := make(chan error, 1)
	go func() { stored <- tasks.Finish(t.Context(), theTask(), finished()) }()
	monitor.Until(isWord("multi"))
	server.Do(t, "config", "set", "maxmemory", "0")
	must(t, <-stored)
	watch := remote{server}.Watch(t)
	tasks.Report(t.Context(), theTask(), running(99))
	for told := watch(); !strings.Contains(told.Payload, "99"); told = watch() {
		if strings.Contains(told.Payload, "pending") {
			t.Fatal("shown as pending after its end")
		}
	}
	if left := server.Admin().TTL(t.Context(), record+"context").Val(); left < 7*time.Hour {
		t.Fatalf("the context lives for %v", left)
	}
}
