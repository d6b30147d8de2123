package protocol

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"cluster-agent/worker/redisq/redistest"
)

// news are what was published of a task, in order.
func (n *node) news(seen []redistest.Command, id string) []string {
	n.t.Helper()
	var payloads []string
	for _, command := range seen {
		if begins("publish progress/" + n.id + "/task/" + id)(command) {
			payloads = append(payloads, command.Words[2])
		}
	}
	return payloads
}

// Rule (section 2): "channel `progress/<agent id>/task/<task id>` | `{"status":S,"progress":P}`, compact, in this order of fields, at every change"
func TestProgressMessages(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "for n in 10 50 90; do echo set-progress $n >&$AGENT_COMFD; done")
	n.step("a/20", "exit 5")
	monitor := n.redis.Monitor(t)
	n.start(withoutHeartbeats())
	n.do("1", "a")
	got := n.news(monitor.Until(begins("exec")), "1")
	want := []string{
		`{"status":"pending","progress":0}`, `{"status":"running","progress":0}`, `{"status":"running","progress":5}`,
		`{"status":"running","progress":25}`, `{"status":"running","progress":45}`, `{"status":"running","progress":50}`,
		`{"status":"aborted","progress":50}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("published %q\nwant %q", got, want)
	}
}

// Rule (section 2): "and at every heartbeat"
func TestProgressAtHeartbeat(t *testing.T) {
	t.Parallel()
	n, gate, monitor := newHeldTask(t)
	monitor.Until(n.heartbeats("1"))
	seen := monitor.Until(times(2, n.heartbeats("1")))
	gate.open()
	want := slices.Repeat([]string{`{"status":"running","progress":40}`}, 2)
	// The news of the second heartbeat may come with it or after it.
	if got := n.news(seen, "1"); len(got) == 0 || !slices.Equal(got, want[:len(got)]) {
		t.Errorf("published %q", got)
	}
}

// Rule (section 2): "Order on the wire for one task: SET context · PUBLISH pending · PUBLISH running ·
// PUBLISH at each progress change · one MULTI/EXEC with DEL and HSET
// `<agent id>/environment` (a copy of the `environment` file), SET output, SET error,
// SET exit_code, EXPIRE context, PUBLISH of the final status."
func TestOrderOnTheWire(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("state/environment", 0o644, "A=1\nB=two words\n")
	n.step("a/10", "echo set-progress 50 >&$AGENT_COMFD; echo out")
	n.step("a/20", "echo err >&2")
	monitor := n.redis.Monitor(t)
	n.start(nil)
	n.push(map[string]any{"id": "t", "action": "a", "data": 7})
	seen := about(monitor.Until(begins("exec")))
	got := make([]string, len(seen))
	for i, words := range seen {
		got[i] = strings.Join(words, " ")
	}
	const key, news = "task/module/m1/t/", "publish progress/module/m1/task/t "
	want := []string{
		"set " + key + `context {"action":"a","data":7,"id":"t"} ex 60`,
		news + `{"status":"pending","progress":0}`,
		news + `{"status":"running","progress":0}`,
		news + `{"status":"running","progress":25}`,
		news + `{"status":"running","progress":50}`,
		news + `{"status":"running","progress":100}`,
		"multi",
		"del module/m1/environment",
		"hset module/m1/environment A 1 B two words",
		"set " + key + "output out\n ex 28800",
		"set " + key + "error err\n ex 28800",
		"set " + key + "exit_code 0 ex 28800",
		"expire " + key + "context 28800",
		news + `{"status":"completed","progress":100}`,
		"exec",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it sends\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Rule (section 2): "A client may subscribe,
// push, wait for a final status on the channel, and read the three keys: they must be
// there by then; some clients read them as soon as they see progress 100"
func TestResultIsThereInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action string
		words  []string // for which the client waits
		size   int
	}{
		"at the final status":                {"print", nil, 4},
		"at the final status of much":        {"print", nil, 1 << 20},
		"at 100 %":                           {"print", []string{`"progress":100`}, 4},
		"at 100 % of what fits in one write": {"print", []string{`"progress":100`}, 8000},
		"at 100 % of more":                   {"print", []string{`"progress":100`}, 20000},
		"at 100 % of much":                   {"print", []string{`"progress":100`}, 1 << 20},
		"at 100 % of a builtin":              {"list-actions", []string{`"progress":100`}, len(`["cancel-task","list-actions","print"]`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("print/10", "echo set-progress 100 >&$AGENT_COMFD; head -c "+strconv.Itoa(c.size)+" /dev/zero")
			n.start(nil)
			for i := range 15 {
				id := strconv.Itoa(i)
				arrived := n.watch(id)
				n.push(map[string]any{"id": id, "action": c.action})
				arrived(c.words...)
				n.want(id, "exit_code", "0")
				n.want(id, "error", "")
				if got := len(n.get(id, "output")); got != c.size {
					t.Fatalf("output has %d bytes, want %d", got, c.size)
				}
			}
		})
	}
}

// Rule (section 2): "so the last `running` message and the transaction go out in one write."
func TestOneWrite(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "echo set-progress 100 >&$AGENT_COMFD; head -c 3000 /dev/zero")
	var writes record
	n.start(map[string]string{"REDIS_ADDRESS": n.relayed("127.0.0.1:0", writes.add)})
	for i := range 20 {
		n.do(strconv.Itoa(i), "a")
	}
	count := 0
	for _, write := range writes.all() {
		if !strings.Contains(write, `{"status":"running","progress":100}`) {
			continue
		}
		count++
		if !strings.Contains(write, "multi") || !strings.Contains(write, "exec") || !strings.Contains(write, `"completed"`) {
			t.Errorf("one write is %q", write)
		}
	}
	if count != 20 {
		t.Errorf("%d writes have the last message, want 20", count)
	}
}
