package protocol

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cluster-agent/worker/redisq/redistest"
)

// client gives tasks to one agent, and listens to what becomes of them.
type client struct {
	t     *testing.T
	redis *redistest.Server
	agent string
}

// client speaks for one test, which may be a part of the one that made the node.
func (n *node) client(t *testing.T) client {
	t.Helper()
	return client{t: t, redis: n.redis, agent: agentID}
}

// started makes a node with an agent on it.
func started(t *testing.T) (*node, client) {
	t.Helper()
	n := newNode(t)
	n.start(withoutHeartbeats())
	return n, n.client(t)
}

// withoutHeartbeats is for agents whose messages are counted: a heartbeat repeats the last one, on a busy
// machine in the midst of a short task.
func withoutHeartbeats() map[string]string { return map[string]string{"AGENT_POLLING_INTERVAL": "1m"} }

// report is what a client has of a task: its messages, in order, and its keys.
type report struct {
	t        *testing.T
	id       string
	messages []string
	output   string
	errput   string
	code     string
	context  string
}

// run gives a task with the data, which is JSON or empty, and sees it to its end.
func (c client) run(action, data string) report {
	c.t.Helper()
	order := map[string]any{"id": uuid.NewString(), "action": action}
	if data != "" {
		order["data"] = json.RawMessage(data)
	}
	return c.order(order)
}

// order gives a task as it stands and sees it to its end.
func (c client) order(order map[string]any) report {
	c.t.Helper()
	return c.begin(order).end()
}

// begun is a task that has been given.
type begun struct {
	report

	client   client
	messages <-chan string
}

// begin gives a task as it stands.
func (c client) begin(order map[string]any) *begun {
	c.t.Helper()
	id := fmt.Sprint(order["id"])
	payload, err := json.Marshal(order)
	must(c.t, err)
	messages := c.listen("progress/" + c.agent + "/task/" + id)
	c.redis.Do(c.t, "lpush", c.agent+"/tasks", payload)
	return &begun{report: report{t: c.t, id: id}, client: c, messages: messages}
}

// listen subscribes to a channel; its messages come until the test ends.
func (c client) listen(channel string) <-chan string {
	c.t.Helper()
	news := c.redis.Admin().Subscribe(c.t.Context(), channel)
	c.t.Cleanup(func() { must(c.t, news.Close()) })
	_, err := news.Receive(c.t.Context())
	must(c.t, err)
	messages := make(chan string)
	ctx := c.t.Context()
	go func() {
		defer close(messages)
		for {
			message, err := news.ReceiveMessage(ctx)
			if err != nil {
				return
			}
			select {
			case messages <- message.Payload:
			case <-ctx.Done():
				return
			}
		}
	}()
	return messages
}

// until waits for a message with that word in it.
func (b *begun) until(words ...string) *begun {
	b.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case message := <-b.messages:
			b.report.messages = append(b.report.messages, message)
			for _, word := range words {
				if strings.Contains(message, word) {
					return b
				}
			}
		case <-deadline:
			b.t.Fatalf("none of %q came, only %q", words, b.report.messages)
		}
	}
}

// end waits for the final status and reads the keys.
func (b *begun) end() report {
	b.t.Helper()
	b.until("completed", "aborted", "validation-failed")
	r := b.report
	for part, value := range map[string]*string{"output": &r.output, "error": &r.errput, "exit_code": &r.code, "context": &r.context} {
		text, err := b.client.redis.Admin().Get(b.t.Context(), "task/"+b.client.agent+"/"+b.id+"/"+part).Result()
		must(b.t, err)
		*value = text
	}
	return r
}

// story is the task's messages in short: "pending 0, running 0, completed 100".
func (r report) story() string {
	r.t.Helper()
	told := make([]string, len(r.messages))
	for i, message := range r.messages {
		var progress struct {
			Status   string
			Progress int
		}
		must(r.t, json.Unmarshal([]byte(message), &progress))
		told[i] = fmt.Sprint(progress.Status, " ", progress.Progress)
	}
	return strings.Join(told, ", ")
}

// tells wants these messages and no others.
func (r report) tells(want string) report {
	r.t.Helper()
	if got := r.story(); got != want {
		r.t.Errorf("it tells   %s\nit is to tell %s", got, want)
	}
	return r
}

// ends wants a final status and an exit code.
func (r report) ends(status, code string) report {
	r.t.Helper()
	final := r.messages[len(r.messages)-1]
	if !strings.HasPrefix(final, `{"status":"`+status+`","progress":`) || r.code != code {
		r.t.Errorf("it ends with %s and code %s, want %s and %s; output %.500q, error %.500q", final, r.code, status, code, r.output, r.errput)
	}
	return r
}

// prints wants an output.
func (r report) prints(output string) report {
	r.t.Helper()
	if r.output != output {
		r.t.Errorf("output is %.2000q, want %.2000q", r.output, output)
	}
	return r
}

// errs wants an error text.
func (r report) errs(text string) report {
	r.t.Helper()
	if r.errput != text {
		r.t.Errorf("error is %.2000q, want %.2000q", r.errput, text)
	}
	return r
}

// goesWell wants a task that completes and prints that.
func (r report) goesWell(output string) report {
	r.t.Helper()
	return r.ends("completed", "0").prints(output)
}
