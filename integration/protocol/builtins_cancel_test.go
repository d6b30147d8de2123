package protocol

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cancel asks for a task to be cancelled, and sees that order to its end.
func (c client) cancel(id string) report {
	c.t.Helper()
	return c.run("cancel-task", `{"task":`+quoted(id)+`,"timeout":10}`)
}

// waiting is a step that says it is ready, and waits.
const waiting = ready + "while true; do sleep 0.01; done"

// Rule (section 4): "`cancel-task`, input `{"task":ID,"timeout":N}`: TERM to the process group of the running step"
func TestCancelReachesTheGroup(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "trap 'echo step' TERM; sh -c 'trap \"echo child; exit\" TERM; "+ready+"while true; do sleep 0.01; done' & wait; wait; echo end; exit 4")
	n.step("a/20", "echo never")
	task := c.begin(map[string]any{"id": "1", "action": "a"}).until(`"progress":5`)
	c.cancel("1").goesWell("").errs("").tells("pending 0, running 0, completed 100")
	r := task.end().ends("aborted", "4")
	if !strings.Contains(r.output, "child\n") || !strings.Contains(r.output, "step\n") || !strings.HasSuffix(r.output, "end\n") {
		t.Errorf("output is %q", r.output)
	}
}

// Rule (section 4): "TERM to the process group of the running step"
//
// Not to that of another task.
func TestCancelReachesNoOther(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", ready+"until test -e ../go-on; do sleep 0.01; done")
	other := c.begin(map[string]any{"id": "2", "action": "a"}).until(`"progress":10`)
	task := c.begin(map[string]any{"id": "1", "action": "a"}).until(`"progress":10`)
	c.cancel("1").goesWell("")
	task.end().ends("aborted", "143")
	n.file("go-on", 0o644, "")
	other.end().goesWell("")
}

// Rule (section 4): "TERM to the process group of the running step"
//
// What the step left in the background, and is being waited for, belongs to it.
func TestCancelReachesTheBackground(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const alone = `while read -r _ _ state _ 2>/dev/null </proc/$$/stat && [ "$state" != Z ]; do sleep 0.01; done; `
	n.step("a/10", "("+alone+waiting+") & exit 5")
	p := n.start(nil)
	c := n.client(t)
	task := c.begin(map[string]any{"id": "1", "action": "a"}).until(`"progress":10`)
	c.cancel("1").goesWell("")
	task.end().ends("aborted", "5")
	p.waitedForNobody(t)
}

// Rule (section 4): "the step then decides: it may clean up, and its exit code ends
// the action."
func TestCancelledStepDecides(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, c := range map[string]struct{ script, status, code, output string }{
		"does not care":        {waiting, "aborted", "143", ""},
		"cleans up":            {"trap 'echo cleaned; exit 7' TERM; " + waiting, "aborted", "7", "cleaned\n"},
		"ends well":            {"trap 'echo well; exit 0' TERM; " + waiting, "completed", "0", "well\n"},
		"takes its time":       {"trap 'sleep 0.3; echo late; exit 3' TERM; " + waiting, "aborted", "3", "late\n"},
		"goes on":              {"trap 'stop=1' TERM; " + ready + "until test $stop; do sleep 0.01; done; echo on; exit 0", "completed", "0", "on\n"},
		"fails the validation": {"trap 'echo set-status validation-failed >&3; exit 0' TERM; " + waiting, "validation-failed", "10", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action := strings.ReplaceAll(name, " ", "-")
			n.step(action+"/10", c.script)
			task := n.client(t).begin(map[string]any{"id": action, "action": action}).until(`"progress":10`)
			n.client(t).cancel(action).goesWell("")
			task.end().ends(c.status, c.code).prints(c.output)
		})
	}
}

// Rule (section 4): "its exit code ends
// the action."
//
// However well the step ends: those behind it do not run.
func TestCancelEndsTheAction(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "trap 'exit 0' TERM; "+waiting)
	n.step("a/20", "touch ../never")
	task := c.begin(map[string]any{"id": "1", "action": "a"}).until(`"progress":5`)
	c.cancel("1").goesWell("")
	task.end().wantNoSuccess()
	if n.isFile("never") {
		t.Error("the next step ran")
	}
}

// wantNoSuccess wants an end that does not look as if everything had been done.
func (r report) wantNoSuccess() {
	r.t.Helper()
	if final := r.messages[len(r.messages)-1]; strings.Contains(final, "completed") || r.code == "0" {
		r.t.Errorf("it ends with %s and code %s", final, r.code)
	}
}

// Rule (section 4): "Cancelling twice is harmless."
func TestCancelTwice(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "trap 'echo once >&2; until test -e ../go-on; do sleep 0.01; done; exit 6' TERM; "+waiting)
	task := c.begin(map[string]any{"id": "1", "action": "a"}).until(`"progress":10`)
	c.cancel("1").goesWell("")
	c.cancel("1").goesWell("")
	c.cancel("1").goesWell("")
	n.file("go-on", 0o644, "")
	task.end().ends("aborted", "6")
	c.cancel("1").ends("validation-failed", "2")
}

// Rule (section 4): "Codes: 0; 2 if the task is not running here, status
// `validation-failed`, log line with `task ID not found`"
func TestCancelUnknownTask(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "")
	p := n.start(nil)
	c := n.client(t)
	done := c.run("a", "").goesWell("")
	for _, id := range []string{"unknown", done.id, "../" + done.id, " ", "*"} {
		r := c.cancel(id).ends("validation-failed", "2").prints("").tells("pending 0, running 0, validation-failed 0")
		if !strings.Contains(r.errput, "task ID not found") {
			t.Errorf("error is %q", r.errput)
		}
	}
	p.warns(t, "task ID not found")
}

// Rule (section 4): "10 if the input has no task, status
// `validation-failed`, log line with `invalid task ID or timeout value`."
func TestCancelWithoutTask(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.start(nil)
	for _, data := range []string{
		"", "null", "{}", "[]", `"1"`, "7", `{"timeout":1}`, `{"task":""}`, `{"task":null}`, `{"task":5}`, `{"task":["1"]}`,
		`{"task":"1","timeout":"soon"}`, `{"task":"1","timeout":-1}`, `{"task":"1","timeout":{}}`,
	} {
		t.Run(data, func(t *testing.T) {
			t.Parallel()
			r := n.client(t).run("cancel-task", data).ends("validation-failed", "10").prints("").tells("pending 0, validation-failed 0")
			if !strings.Contains(r.errput, "invalid task ID or timeout value") {
				t.Errorf("error is %q", r.errput)
			}
			p.shows(t, "task/"+agentID+"/"+r.id+": Action cancel-task validation-failed at step builtin-validation.json: invalid task ID or timeout value")
		})
	}
}

// Rule (section 4): "input `{"task":ID,"timeout":N}`"
//
// The timeout may be left out.
func TestCancelWithoutTimeout(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", waiting)
	for i, input := range []string{`{"task":"0"}`, `{"task":"1","timeout":0}`, `{"task":"2","timeout":null}`, `{"task":"3","timeout":1.5,"more":[]}`} {
		task := c.begin(map[string]any{"id": strconv.Itoa(i), "action": "a"}).until(`"progress":10`)
		c.run("cancel-task", input).goesWell("")
		task.end().ends("aborted", "143")
	}
}

// Rule (section 4): "(an
// in-process step has its context cancelled)"
//
// promote-node waits for the answer of an endpoint that never gives one.
func TestCancelInProcessStep(t *testing.T) {
	t.Parallel()
	address, connections := silentEndpoint(t)
	n, c := clusterAgent(t)
	n.step("promote-node/10leader", "echo first >&2")
	n.step("promote-node/15node", "true") // there is no cluster
	n.step("promote-node/30replica", "echo never >&2")
	n.step("promote-node/50announce", "echo never >&2")
	task := c.begin(map[string]any{"id": "1", "action": "promote-node", "data": map[string]any{
		"node_id": 2, "endpoint_address": address, "endpoint_port": 55820,
	}})
	select {
	case connection := <-connections:
		t.Cleanup(func() { must(t, connection.Close()) })
	case <-time.After(patience):
		t.Fatal("nobody asked the endpoint")
	}
	c.cancel("1").goesWell("")
	r := task.end()
	if r.code == "0" || !strings.Contains(r.errput, "cancel") || !strings.HasPrefix(r.errput, "first\n") || strings.Contains(r.errput, "never") {
		t.Errorf("exit code %s, error %q", r.code, r.errput)
	}
}

// silentEndpoint listens where https does, on an address of its own. What is said
// on the connections is up to the test: nothing.
func silentEndpoint(t *testing.T) (address string, connections <-chan net.Conn) {
	t.Helper()
	const most = 1 // that anybody makes
	address = fmt.Sprintf("127.%d.%d.1", 1+os.Getpid()>>8&0x7f, os.Getpid()&0xff)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "443"))
	if err != nil {
		cannotRun(t, fmt.Sprintf("needs to listen on %s:443, as root may: %v", address, err))
	}
	accepted := make(chan net.Conn, most)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			accepted <- connection
		}
	}()
	t.Cleanup(func() { must(t, listener.Close()) })
	return address, accepted
}

// cannotRun skips a test; in CI that is a failure.
func cannotRun(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("CANNOT RUN: " + why)
	}
	t.Skip("SKIPPED: " + why)
}
