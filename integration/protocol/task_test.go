package protocol

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// Rule (section 2): "Tasks are JSON objects in the list `<agent id>/tasks`, pushed with LPUSH, taken from
// the right end."
func TestTasksInOrder(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("note/10", "echo $AGENT_TASK_ID >>../order")
	finished := n.watch("4")
	for i := range 4 {
		n.push(map[string]any{"id": strconv.Itoa(i + 1), "action": "note"})
	}
	n.start(map[string]string{"MAX_CONCURRENCY": "1"})
	finished()
	if got := n.read("order"); got != "1\n2\n3\n4\n" {
		t.Errorf("tasks ran in the order %q", got)
	}
	if left := n.redis.Do(t, "exists", agentID+"/tasks"); left != int64(0) {
		t.Error("the list is still there")
	}
}

// Rule (section 2): "Only `id` and `action` matter to the agent; `data` goes to the steps; unknown fields
// are kept in the context."
func TestTaskFields(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ payload, input string }{
		"as clients push them": {
			`{"id":"1","action":"show","data":{"a":[1,null]},"extra":{"e":1},"parent":"p","user":"u","queue":"module/m1/tasks","timestamp":"2026-01-02T03:04:05Z"}`,
			`{"a":[1,null]}`,
		},
		"no others":          {`{"id":"1","action":"show"}`, "null"},
		"data null":          {`{"id":"1","action":"show","data":null}`, "null"},
		"data a text":        {`{"action":"show","data":"text","id":"1"}`, `"text"`},
		"data a number":      {`{"id":"1","action":"show","data":1.50}`, "1.50"},
		"fields of any type": {`{"id":"1","action":"show","data":[],"extra":1,"parent":{"a":2},"user":[3],"queue":null,"timestamp":false}`, "[]"},
		"unknown fields":     {`{"id":"1","action":"show","data":{},"":"empty","later":{"than":["this","page"]},"n":1e2}`, "{}"},
		"with blanks":        {" {\n\t\"id\" : \"1\",\n\t\"action\" : \"show\" }\n", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("show/10", "cat")
			n.start(nil)
			finished := n.watch("1")
			n.redis.Do(t, "lpush", agentID+"/tasks", c.payload)
			finished()
			n.want("1", "exit_code", "0")
			if got := n.get("1", "output"); !sameJSON(t, c.input, got) {
				t.Errorf("the step reads %s, want %s", got, c.input)
			}
			if got := n.get("1", "context"); !sameJSON(t, c.payload, got) {
				t.Errorf("context is %s, want %s", got, c.payload)
			}
		})
	}
}

// Rule (section 2): "A payload that is not such an object is dropped with
// the log line `Task ignored for decoding error: <reason>`, where the reason is
// that of encoding/json (`invalid character 'I' looking for…`)."
func TestDecodingErrors(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	const begin = "<4>Task ignored for decoding error: "
	for payload, reason := range map[string]string{
		"Il n'y a rien":                       "",
		"":                                    "",
		"{":                                   "",
		`{"id":"1","action":"a"`:              "",
		`{"id":"1","action":"a"} x`:           "",
		`{'id':'1'}`:                          "",
		`{"id":"1","action":"list-actions",}`: "",
		"\x00\xff":                            "",
		`["id","action"]`:                     "json: cannot unmarshal array into Go value of type ",
		`"id"`:                                "json: cannot unmarshal string into Go value of type ",
		"5":                                   "json: cannot unmarshal number into Go value of type ",
		`{"id":1,"action":"list-actions"}`:    "json: cannot unmarshal number into Go struct field ",
		`{"id":"1","action":{"a":"b"}}`:       "json: cannot unmarshal object into Go struct field ",
		"null":                                "the task has no ",
		"{}":                                  "the task has no ",
		`{"action":"list-actions"}`:           "the task has no id",
	} {
		if reason == "" {
			reason = json.Unmarshal([]byte(payload), new(any)).Error() + "\n"
		}
		n.redis.Do(t, "lpush", agentID+"/tasks", payload)
		p.says(begin + reason)
	}
	n.do("well", "list-actions")
	n.want("well", "exit_code", "0")
	if keys := n.redis.Admin().Keys(t.Context(), "*").Val(); len(keys) != 4 {
		t.Errorf("what was dropped left traces: %q", keys)
	}
}

// Rule (section 2): "`K/context` | the task's JSON with secrets replaced; set when the task is taken, TTL 12 × polling interval"
func TestContextTaken(t *testing.T) {
	t.Parallel()
	for setting, seconds := range map[string]string{"": "60", "1s": "12", "30s": "360"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			monitor := n.redis.Monitor(t)
			n.start(map[string]string{"AGENT_POLLING_INTERVAL": setting})
			n.do("1", "list-actions")
			seen := monitor.Until(begins("publish progress/" + agentID + "/task/1"))
			set := allSpoken(seen, begins("set task/"+agentID+"/1/context"))
			want := `set task/module/m1/1/context {"action":"list-actions","data":null,"id":"1"} ex ` + seconds
			if len(set) != 1 || set[0] != want {
				t.Errorf("it sends %q, want %q", set, want)
			}
		})
	}
}

// Rule (section 2): "renewed by the heartbeat"
func TestContextRenewed(t *testing.T) {
	t.Parallel()
	n, gate, monitor := newHeldTask(t)
	seen := monitor.Until(times(3, n.heartbeats("1")))
	for _, renewal := range allSpoken(seen, n.heartbeats("1")) {
		if renewal != "expire task/module/m1/1/context 12" {
			t.Errorf("it is renewed by %q", renewal)
		}
	}
	if left := n.life("context"); left > 12 || left < 10 {
		t.Errorf("after three heartbeats the context lives for %d s", left)
	}
	gate.open()
}

// Rule (section 2): "8 h at the end"
func TestContextAtTheEnd(t *testing.T) {
	t.Parallel()
	n, gate, _ := newHeldTask(t)
	finished := n.watch("1")
	gate.open()
	finished()
	n.wantEightHours("context")
}

// newHeldTask is a node whose agent, which polls each second, runs a task that
// has come to 40 % and waits at the gate.
func newHeldTask(t *testing.T) (*node, *gate, *redistest.Monitor) {
	t.Helper()
	n := newNode(t)
	gate := n.gate()
	n.step("wait/10", "echo set-progress 40 >&$AGENT_COMFD; "+gate.wait()+"; echo out; echo err >&2; exit 3")
	monitor := n.redis.Monitor(t)
	n.start(map[string]string{"AGENT_POLLING_INTERVAL": "1s"})
	working := n.watch("1")
	n.push(map[string]any{"id": "1", "action": "wait"})
	working(`"progress":40`)
	return n, gate, monitor
}

// life is how many seconds a key of task 1 still lives.
func (n *node) life(part string) int64 {
	n.t.Helper()
	left, ok := n.redis.Do(n.t, "ttl", "task/"+n.id+"/1/"+part).(int64)
	if !ok {
		n.t.Fatal("TTL gave no number")
	}
	return left
}

func (n *node) wantEightHours(parts ...string) {
	n.t.Helper()
	const eightHours = 8 * 3600
	for _, part := range parts {
		if left := n.life(part); left > eightHours || left < eightHours-30 {
			n.t.Errorf("%s lives for %d s", part, left)
		}
	}
}

// Rule (section 2): "`K/output`, `K/error`, `K/exit_code` | set together at the end, TTL 8 h"
func TestResultKeys(t *testing.T) {
	t.Parallel()
	n, gate, monitor := newHeldTask(t)
	parts := []string{"output", "error", "exit_code"}
	for _, part := range parts {
		if n.life(part) != -2 {
			t.Errorf("%s is there before the end", part)
		}
	}
	finished := n.watch("1")
	gate.open()
	finished()
	n.want("1", "output", "out\n")
	n.want("1", "error", "err\n")
	n.want("1", "exit_code", "3")
	n.wantEightHours(parts...)
	monitor.Until(begins("multi"))
	together := monitor.Until(begins("exec"))
	for _, part := range parts {
		if len(allSpoken(together, begins("set task/module/m1/1/"+part))) != 1 {
			t.Errorf("%s is not set in the transaction", part)
		}
	}
}

// TestNoAction: a task that names no action has an id by which it is answered.
//
// Rule (section 3): "An action without any step ends at once: output empty, error
// `Action A is not defined\n`, exit code 8, status `aborted`."
func TestNoAction(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start(nil)
	finished := n.watch("1")
	n.redis.Do(t, "lpush", agentID+"/tasks", `{"id":"1","data":{}}`)
	if final := finished(); !strings.Contains(final, "aborted") {
		t.Errorf("final status is %s", final)
	}
	n.want("1", "exit_code", "8")
	n.want("1", "error", "Action  is not defined\n")
}
