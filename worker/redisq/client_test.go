package redisq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// client is one who gives tasks, with a server of its own.
func client(t *testing.T) (*redistest.Server, *redisq.Client) {
	t.Helper()
	server := redistest.Start(t)
	connection := redisq.Connect(redisq.Server{Address: server.Address}, 4)
	t.Cleanup(func() { must(t, connection.Close()) })
	return server, redisq.NewClient(connection)
}

func submit(t *testing.T, c *redisq.Client, order redisq.Order) *redisq.Ticket {
	t.Helper()
	ticket, err := c.Submit(t.Context(), order)
	must(t, err)
	t.Cleanup(func() { must(t, ticket.Close()) })
	return ticket
}

// TestSubmit: the agent gets what was ordered, the client hears all the news in
// order, and reads the outcome as soon as it hears of it.
func TestSubmit(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	tasks := open(t, options(server.Address))
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a b", Data: json.RawMessage(`{"n":1.50}`), User: "joe"})
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	if task.ID != ticket.ID || task.Action != "a b" || string(task.Data) != `{"n":1.50}` || task.User != "joe" {
		t.Fatalf("the agent got %s", task.Payload)
	}
	tasks.Accept(t.Context(), task)
	tasks.Report(t.Context(), task, worker.Progress{Status: worker.Running, Percent: 50})
	must(t, tasks.Finish(t.Context(), task, finished()))
	var heard []worker.Progress
	outcome, err := ticket.Wait(t.Context(), func(p worker.Progress) { heard = append(heard, p) })
	must(t, err)
	if outcome.Status != worker.Aborted || outcome.ExitCode != 3 || string(outcome.Output) != "out" || string(outcome.Error) != "err" {
		t.Fatalf("outcome is %+v", outcome)
	}
	want := []worker.Progress{
		{Status: worker.Pending},
		{Status: worker.Running, Percent: 50},
		{Status: worker.Running, Percent: 100},
		{Status: worker.Aborted, Percent: 100},
	}
	if !slices.Equal(heard, want) {
		t.Fatalf("heard %+v", heard)
	}
}

// TestSubmitShape: the payload has all the fields that others look for.
func TestSubmitShape(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a", Parent: "p"})
	waiting := remote{server}.Lists(t).Waiting
	if len(waiting) != 1 {
		t.Fatalf("the queue holds %q", waiting)
	}
	var fields map[string]any
	must(t, json.Unmarshal([]byte(waiting[0]), &fields))
	stamp, ok := fields["timestamp"].(string)
	if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil || !ok {
		t.Fatalf("timestamp is %v", fields["timestamp"])
	}
	delete(fields, "timestamp")
	got, err := json.Marshal(fields)
	must(t, err)
	want := `{"action":"a","data":null,"extra":{},"id":"` + ticket.ID + `","parent":"p","queue":"module/m1/tasks","user":""}`
	if string(got) != want {
		t.Fatalf("payload is %s, want %s", got, want)
	}
}

// TestWaitMissedNews: an outcome is found even if no news of it came.
func TestWaitMissedNews(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	store(t, server, ticket, "0", "out")
	outcome, err := ticket.Wait(t.Context(), nil)
	must(t, err)
	if outcome.Status != worker.Completed || string(outcome.Output) != "out" {
		t.Fatalf("outcome is %+v", outcome)
	}
}

// TestWaitReplaced: a final status without a record tells how it ended.
func TestWaitReplaced(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	for status, code := range map[worker.Status]int{worker.Completed: 0, worker.Aborted: 1, worker.ValidationFailed: 10} {
		ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
		server.Do(t, "publish", channel(ticket), "rubbish")
		server.Do(t, "publish", channel(ticket), `{"status":"`+string(status)+`","progress":100}`)
		outcome, err := ticket.Wait(t.Context(), nil)
		must(t, err)
		if !outcome.Replaced || outcome.Status != status || outcome.ExitCode != code {
			t.Errorf("outcome is %+v", outcome)
		}
	}
}

// TestWaitGone: a Redis that comes to follow another one has its tasks no more, unless that
// one has them.
func TestWaitGone(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	leader, _ := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	const pause = 50 * time.Millisecond
	ticket.LookEvery(pause)
	payload := server.Do(t, "lindex", agent+"/tasks", "0")
	host, port, err := net.SplitHostPort(leader.Address)
	must(t, err)
	follow := func() {
		server.Do(t, "replicaof", host, port)
		eventually(t, "it follows", func() bool {
			return strings.Contains(fmt.Sprint(server.Do(t, "info", "replication")), "master_link_status:up")
		})
	}
	for _, list := range []string{agent + "/tasks", agent + "/tasks/in-progress/1"} {
		leader.Do(t, "lpush", list, payload)
		follow()
		limited, stop := context.WithTimeout(t.Context(), 20*pause)
		_, err = ticket.Wait(limited, nil)
		stop()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in %s: %v", list, err)
		}
		leader.Do(t, "del", list)
	}
	leader.Do(t, "hset", agent+"/tasks/in-progress/2", "no", "list") // in which nothing can be
	// Nor is it gone while there is news of it.
	heard, enough := 0, 40
	beat := func(worker.Progress) {
		if heard++; heard < enough {
			time.AfterFunc(pause, func() {
				if failure := leader.Admin().Publish(t.Context(), channel(ticket), `{"status":"running","progress":0}`).Err(); failure != nil {
					t.Error(failure)
				}
			})
		}
	}
	beat(worker.Progress{})
	if _, err = ticket.Wait(t.Context(), beat); !errors.Is(err, redisq.ErrGone) || heard != enough {
		t.Errorf("after %d news: %v", heard, err)
	}
}

// TestWaitMissedStatus: the status is not stored. What is stored tells it.
func TestWaitMissedStatus(t *testing.T) {
	t.Parallel()
	const violations = `[{"parameter":"n","error":"n_required","value":null,"field":"n"}]`
	server, giver := client(t)
	cases := []struct {
		action, code, output string
		want                 worker.Status
	}{
		{"a", "0", violations, worker.Completed},
		{"a", "1", "", worker.Aborted},
		{"a", "10", "", worker.ValidationFailed},
		{"a", "3", violations, worker.ValidationFailed},
		{"a", "3", "[]", worker.Aborted},
		{"a", "3", `[{"error":"n_required"}]`, worker.Aborted},
		{"a", "3", violations + "x", worker.Aborted},
		{"a", "12", `{"field":"n"}`, worker.Aborted},
		{"cancel-task", "2", "", worker.ValidationFailed},
	}
	all := make([]<-chan waited, 0, len(cases))
	for _, c := range cases {
		ticket := submit(t, giver, redisq.Order{Agent: agent, Action: c.action})
		store(t, server, ticket, c.code, c.output)
		all = append(all, waitInBackground(t.Context(), ticket))
	}
	for i, c := range cases {
		w := <-all[i]
		must(t, w.err)
		if w.outcome.Status != c.want || strconv.Itoa(w.outcome.ExitCode) != c.code || string(w.outcome.Output) != c.output {
			t.Errorf("outcome is %+v, want status %s", w.outcome, c.want)
		}
	}
}

// store puts a task's result where it belongs, without a word.
func store(t *testing.T, server *redistest.Server, ticket *redisq.Ticket, code, output string) {
	t.Helper()
	prefix := "task/" + agent + "/" + ticket.ID + "/"
	server.Do(t, "mset", prefix+"output", output, prefix+"error", "err", prefix+"exit_code", code)
}

func channel(ticket *redisq.Ticket) string { return "progress/" + agent + "/task/" + ticket.ID }

// TestWaitLateStatus: a record may be found a moment before its final news.
func TestWaitLateStatus(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	store(t, server, ticket, "3", "out")
	monitor := server.Monitor(t)
	got := waitInBackground(t.Context(), ticket)
	monitor.Until(isWord("get"))
	server.Do(t, "publish", channel(ticket), `{"status":"validation-failed","progress":100}`)
	if w := <-got; w.err != nil || w.outcome.Status != worker.ValidationFailed || w.outcome.ExitCode != 3 {
		t.Errorf("outcome is %+v", w)
	}
}

// waited is what Wait returned.
type waited struct {
	outcome redisq.Outcome
	err     error
}

func waitInBackground(ctx context.Context, ticket *redisq.Ticket) <-chan waited {
	got := make(chan waited, 1)
	go func() {
		outcome, err := ticket.Wait(ctx, nil)
		got <- waited{outcome, err}
	}()
	return got
}

// proxied is a client behind a network that can be broken.
func proxied(t *testing.T, server *redistest.Server) (*redistest.Proxy, *redisq.Client) {
	t.Helper()
	proxy := redistest.NewProxy(t, server)
	connection := redisq.Connect(redisq.Server{Address: proxy.Address}, 4)
	t.Cleanup(func() { must(t, connection.Close()) })
	return proxy, redisq.NewClient(connection)
}

// TestWaitOutlivesACut: a task that ended while the connection was cut is found
// at once when it is back, before the record is looked at anyway.
func TestWaitOutlivesACut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy, c := proxied(t, server)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	store(t, server, ticket, "0", "out")
	started := time.Now()
	got := waitInBackground(t.Context(), ticket)
	proxy.Cut()
	if w := <-got; w.err != nil || w.outcome.Status != worker.Completed || string(w.outcome.Output) != "out" {
		t.Errorf("outcome is %+v", w)
	}
	if took := time.Since(started); took > 1500*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// TestWaitOutlivesARestart: Redis goes, for longer than the record is not looked
// at, and comes back; the news are heard again, and the outcome is.
func TestWaitOutlivesARestart(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	heard := make(chan worker.Progress, 10)
	got := make(chan waited, 1)
	go func() {
		outcome, err := ticket.Wait(t.Context(), func(p worker.Progress) { heard <- p })
		got <- waited{outcome, err}
	}()
	server.Stop(t)
	select {
	case w := <-got:
		t.Fatalf("gave up: %+v", w)
	case <-time.After(2500 * time.Millisecond):
	}
	server.Restart(t)
	eventually(t, "the subscription is renewed", func() bool {
		counts, err := server.Admin().PubSubNumSub(t.Context(), channel(ticket)).Result()
		return err == nil && counts[channel(ticket)] == 1
	})
	server.Do(t, "publish", channel(ticket), `{"status":"running","progress":50}`)
	if p := <-heard; p.Percent != 50 {
		t.Errorf("heard %+v", p)
	}
	store(t, server, ticket, "7", "out")
	server.Do(t, "publish", channel(ticket), `{"status":"aborted","progress":50}`)
	if w := <-got; w.err != nil || w.outcome.Status != worker.Aborted || w.outcome.ExitCode != 7 {
		t.Errorf("outcome is %+v", w)
	}
}

// TestWaitRemembersTheStatus: the record cannot be read when the final news come.
func TestWaitRemembersTheStatus(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy, c := proxied(t, server)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	store(t, server, ticket, "3", "out")
	proxy.LoseReply("get")
	server.Do(t, "publish", channel(ticket), `{"status":"validation-failed","progress":100}`)
	outcome, err := ticket.Wait(t.Context(), nil)
	must(t, err)
	if outcome.Status != worker.ValidationFailed || outcome.ExitCode != 3 {
		t.Errorf("outcome is %+v", outcome)
	}
}

// TestWaitIsRefused: what no waiting mends is told.
func TestWaitIsRefused(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	for part, want := range map[string]string{"output": "WRONGTYPE", "exit_code": "read exit code"} {
		ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
		store(t, server, ticket, "seven", "out")
		if part == "output" {
			key := "task/" + agent + "/" + ticket.ID + "/" + part
			server.Do(t, "del", key)
			server.Do(t, "lpush", key, "x")
		}
		server.Do(t, "publish", channel(ticket), `{"status":"completed","progress":100}`)
		if _, err := ticket.Wait(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v", part, err)
		}
	}
}

// TestWaitEndsWithContext: at once, whatever Redis does, and can be begun again.
func TestWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	for _, paused := range []bool{false, true} {
		if paused {
			server.Pause(t)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := waitInBackground(ctx, ticket)
		cancelled := time.Now()
		cancel()
		if w := <-got; !errors.Is(w.err, context.Canceled) {
			t.Errorf("paused %v: %+v", paused, w)
		}
		if took := time.Since(cancelled); took > time.Second {
			t.Errorf("paused %v: took %v", paused, took)
		}
	}
	server.Resume(t)
	store(t, server, ticket, "0", "out")
	server.Do(t, "publish", channel(ticket), `{"status":"completed","progress":100}`)
	outcome, err := ticket.Wait(t.Context(), nil)
	must(t, err)
	if outcome.Status != worker.Completed {
		t.Errorf("outcome is %+v", outcome)
	}
}

// TestWaitOnAClosedTicket is an error, not a wait for ever.
func TestWaitOnAClosedTicket(t *testing.T) {
	t.Parallel()
	_, c := client(t)
	ticket, err := c.Submit(t.Context(), redisq.Order{Agent: agent, Action: "a"})
	must(t, err)
	must(t, ticket.Close())
	if _, err := ticket.Wait(t.Context(), nil); err == nil {
		t.Error("waited")
	}
}

func TestSubmitFails(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	server.Do(t, "set", "module/m1/tasks", "no list")
	if _, err := c.Submit(t.Context(), redisq.Order{Agent: agent, Action: "a"}); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Fatalf("error is %v", err)
	}
	if _, err := c.Submit(t.Context(), redisq.Order{Agent: agent, Action: "a", Data: json.RawMessage(`{`)}); err == nil {
		t.Fatal("data that is no JSON was sent")
	}
}

func TestAliveAndAgents(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	for _, name := range []string{"node/1", "cluster", "somebody", "module/m1", "cluster"} {
		connection := redisq.Connect(redisq.Server{Address: server.Address, Name: name}, 1)
		t.Cleanup(func() { must(t, connection.Close()) })
		must(t, connection.Ping(t.Context()).Err())
	}
	agents, err := c.Agents(t.Context(), time.Hour)
	must(t, err)
	if !slices.Equal(agents, []string{"cluster", "module/m1", "node/1"}) {
		t.Fatalf("agents are %v", agents)
	}
	for name, want := range map[string]bool{"cluster": true, "node/1": true, "node/2": false, "node": false} {
		if alive, err := c.Alive(t.Context(), name, time.Hour); err != nil || alive != want {
			t.Errorf("%s alive: %v, %v", name, alive, err)
		}
		if alive, err := c.Alive(t.Context(), name, -time.Second); err != nil || alive {
			t.Errorf("%s alive although idle for too long: %v, %v", name, alive, err)
		}
	}
}
