package redisq_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
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
	must(t, tasks.Accept(t.Context(), task))
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
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
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
	want := `{"action":"a","data":null,"extra":{},"id":"` + ticket.ID + `","parent":"","queue":"module/m1/tasks","user":""}`
	if string(got) != want {
		t.Fatalf("payload is %s, want %s", got, want)
	}
}

// TestWaitMissedNews: an outcome is found even if no news of it came.
func TestWaitMissedNews(t *testing.T) {
	t.Parallel()
	server, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	prefix := "task/" + agent + "/" + ticket.ID + "/"
	server.Do(t, "mset", prefix+"output", "out", prefix+"error", "", prefix+"exit_code", "0")
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
		channel := "progress/" + agent + "/task/" + ticket.ID
		server.Do(t, "publish", channel, "rubbish")
		server.Do(t, "publish", channel, `{"status":"`+string(status)+`","progress":100}`)
		outcome, err := ticket.Wait(t.Context(), nil)
		must(t, err)
		if !outcome.Replaced || outcome.Status != status || outcome.ExitCode != code {
			t.Errorf("outcome is %+v", outcome)
		}
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	_, c := client(t)
	ticket := submit(t, c, redisq.Order{Agent: agent, Action: "a"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ticket.Wait(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is %v", err)
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
